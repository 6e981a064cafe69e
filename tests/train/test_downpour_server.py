"""The parameter server, and what its messages are made of, without Horovod."""

import itertools
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.train.downpour.messages import Parcel, Pull, Push, pack, packed_size, turns, unpack
from dca.train.downpour.parameters import Limits, ParameterServer
from dca.train.downpour.server import Service
from dca.train.downpour.state import ServerState, WorkerState
from dca.train.optimizers import Adagrad, new_state
from dca.train.processes.channel import Channel, ChannelClosedError
from dca.train.processes.shared import SharedVector

P = 50
SILENT = dict.fromkeys(Push._fields, 0.0)


def header(position, version=0, rows=10, batches=1, last=0, finite=1, loss=1.0) -> Push:
    return Push(**{**SILENT, "position": position, "version": version, "rows": rows, "batches": batches,
                   "last": last, "finite": finite, "loss": loss})  # fmt: skip


def make_adagrad(weights=None) -> Adagrad:
    return Adagrad(np.zeros(P, np.float32) if weights is None else weights, new_state("adagrad", P), 0.1, 3)


def make_server(workers=2, weights=None, **limits) -> ParameterServer:
    state = ServerState(workers=[WorkerState() for _ in range(workers)])
    return ParameterServer(make_adagrad(weights), state, Limits(**limits))


def gradients(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, P)).astype(np.float32)


def test_pushes_are_adagrad_in_order_of_arrival():
    server = make_server()
    expected = make_adagrad()
    for i, gradient in enumerate(gradients(7)):
        rate = expected.rate
        row = server.push(i % 2, header(i // 2 + 1, version=i), gradient)
        expected.apply(gradient)
        assert (row["step"], row["worker"], row["learning_rate"]) == (i + 1, i % 2, rate)
    np.testing.assert_array_equal(server.optimizer.weights, expected.weights)
    assert [own.position for own in server.state.workers] == [4, 3]
    assert server.state.rows == 70


def test_staleness_counts_the_updates_of_others_in_between():
    server = make_server(3)
    for worker, version, expected in [(0, 0, 0), (1, 0, 1), (2, 0, 2), (0, 1, 2), (0, 4, 0)]:
        assert server.push(worker, header(1, version), gradients(1)[0])["staleness"] == expected
    assert server.state.staleness == {0: 2, 1: 1, 2: 2}


def test_a_gradient_that_is_not_finite_changes_nothing_but_counts():
    server = make_server()
    assert server.push(1, header(5, finite=0), gradients(1)[0]) is None
    assert not server.optimizer.weights.any() and server.state.updates == 0
    # Its rows are behind the worker all the same: it does not try them again.
    assert server.state.workers[1] == WorkerState(position=5, rejected=1)


def test_a_gradient_that_is_too_old_is_dropped_and_counted():
    server = make_server(max_staleness=1)
    rows = [server.push(0, header(i + 1, 0), g) for i, g in enumerate(gradients(4))]
    assert [row and row["staleness"] for row in rows] == [0, 1, None, None]
    assert server.state.workers[0] == WorkerState(position=4, rows=20, updates=2, dropped=2)


def test_updates_end_at_the_limit():
    server = make_server(max_updates=2)
    rows = [server.push(0, header(i + 1, i), g) for i, g in enumerate(gradients(3))]
    assert [row is None for row in rows] == [False, False, True]
    assert server.complete and server.state.updates == 2 and server.state.workers[0].position == 2


def test_warmup_ends_after_its_steps_or_with_the_first_worker():
    server = make_server(warmup_steps=2)
    assert server.may_start(0) and not server.may_start(1)
    server.push(0, header(1), gradients(1)[0])
    assert not server.may_start(1)
    server.push(0, header(2), gradients(1)[0])
    assert server.may_start(1)
    for end in ("done", "lost"):
        server = make_server(warmup_steps=9)
        if end == "done":
            server.push(0, header(1, last=1), gradients(1)[0])
        else:
            server.first_lost = True
        assert server.may_start(1)


def test_warmup_ends_sooner_when_the_smoothed_loss_is_small():
    server = make_server(warmup_steps=100, warmup_loss=5.0)
    losses = [10.0] + [0.0] * 10
    ended = []
    for i, loss in enumerate(losses):
        server.push(0, header(i + 1, loss=loss), gradients(1)[0])
        ended.append(server.may_start(1))
    assert ended.index(True) == 7  # 10 · 0.9⁷ = 4.8
    assert all(ended[7:])


def test_state_survives_json():
    state = ServerState(5, {0: 3, 7: 2}, [WorkerState(3, 30, 3, 0), WorkerState(2, 20, 2, 1, 4, True)])
    assert ServerState.from_json(json.loads(json.dumps(state.to_json()))) == state


@settings(deadline=None)
@given(st.lists(st.floats(width=64), min_size=len(Push._fields), max_size=len(Push._fields)))
def test_headers_keep_every_bit(values):
    push = Push(*values)
    packed = pack(push)
    assert packed.shape == (packed_size(Push),)
    np.testing.assert_array_equal(unpack(Push, packed), push)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6))
def test_turns_come_every_so_many_steps(n_push, n_fetch):
    for step, (push, fetch) in enumerate(itertools.islice(turns(n_push, n_fetch), 60), 1):
        assert push == (step % n_push == 0) and fetch == (step % n_fetch == 0)


def test_channel_keeps_messages_apart_and_shows_the_end():
    here, there = Channel.pair()
    shared = SharedVector.create("test", 4)
    here.send({"a": 1})
    here.send({"b": 2}, [shared.fd])
    here.close()
    assert there.receive() == ({"a": 1}, [])
    message, (fd,) = there.receive()
    other = SharedVector(fd, 4)
    shared.array[:] = [1, 2, 3, 4]
    assert message == {"b": 2} and other.array.tolist() == [1, 2, 3, 4]
    with pytest.raises(ChannelClosedError):
        there.receive()
    with pytest.raises(ChannelClosedError):
        there.send({"c": 3})


class Office:
    """A service in a thread, with this test as its supervisor and its agents."""

    def __init__(self, first=True, **options) -> None:
        self.supervisor, there = Channel.pair()
        self.copies = np.zeros((2, P), np.float32)
        self.service = Service(make_server(**options), there, self.copies, first)
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()

    def agent(self, worker: int) -> "Agent":
        channel, there = Channel.pair()
        vectors = [SharedVector.create(kind.__name__, Parcel.size(kind, P)) for kind in (Push, Pull)]
        self.supervisor.send(
            {"kind": "attach", "worker": worker},
            [os.dup(there.fileno()), *(os.dup(vector.fd) for vector in vectors)],
        )
        there.close()
        return Agent(channel, *(vector.array for vector in vectors))

    @property
    def weights(self) -> np.ndarray:
        """As a checkpoint would have them."""
        self.supervisor.send({"kind": "snapshot", "final": False})
        self.told("snapshot")
        return self.copies[0].copy()

    def told(self, kind: str) -> dict:
        """The next message of a kind to the supervisor."""
        while (message := self.supervisor.receive()[0])["kind"] != kind:
            pass
        return message


class Agent:
    def __init__(self, channel, pushed, pulled) -> None:
        self.channel, self.pushed, self.pulled = channel, Parcel(Push, pushed, P), Parcel(Pull, pulled, P)

    def fetch(self) -> Pull:
        self.channel.call({"kind": "fetch"})
        return self.pulled.header

    def push(self, gradient, own: Push, fetch=True) -> Pull:
        self.pushed.payload[:], self.pushed.header = gradient, own
        self.channel.call({"kind": "push", "fetch": fetch})
        return self.pulled.header


@pytest.fixture
def office(request):
    made = Office(**getattr(request, "param", {}))
    yield made
    made.supervisor.close()  # The service ends with its supervisor.
    made.thread.join(10)
    assert not made.thread.is_alive()


@pytest.mark.timeout(60)
def test_a_pull_contains_the_own_push(office):
    first, second = office.agent(0), office.agent(1)
    assert first.fetch() == second.fetch() == Pull(0, 0)
    for step, gradient in enumerate(gradients(4), 1):
        assert first.push(gradient, header(step, step - 1)) == Pull(step, 0)
        np.testing.assert_array_equal(first.pulled.payload, office.weights)
        assert first.pulled.payload.any() and not second.pulled.payload.any()
    assert second.fetch() == Pull(4, 0)
    np.testing.assert_array_equal(second.pulled.payload, first.pulled.payload)
    # A refused push is answered with the weights too.
    second.push(gradients(1)[0], header(1, 4))
    assert first.push(gradients(1)[0], header(5, 4, finite=0)) == Pull(5, 0)
    np.testing.assert_array_equal(first.pulled.payload, second.pulled.payload)


@pytest.mark.timeout(60)
@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["push", "fetch", "both", "lost"])), max_size=20)
)
def test_what_an_agent_was_given_changes_only_by_its_own_wish(wishes):
    office, expected = Office(workers=3), make_adagrad()
    try:
        agents = [office.agent(worker) for worker in range(3)]
        given = [np.zeros(P, np.float32)] * 3
        for gradient, (worker, wish) in zip(gradients(len(wishes)), wishes, strict=True):
            agent, push = agents[worker], header(1, expected.updates)
            if wish == "lost":  # The newest weights may be in its memory.
                agent.channel.close()
                agents[worker], given[worker] = office.agent(worker), np.zeros(P, np.float32)
                continue
            if wish != "fetch":
                expected.apply(gradient)
            version = agent.fetch() if wish == "fetch" else agent.push(gradient, push, fetch=wish == "both")
            if wish == "both":  # no copy: they are where they are sent from
                kept, agent.pulled.payload[0] = agent.pulled.payload[0], 7.5
                assert office.service._server.optimizer.weights[0] == 7.5
                agent.pulled.payload[0] = kept
            if wish != "push":
                assert version.version == expected.updates
                given[worker] = expected.weights.copy()
            for other, own in zip(agents, given, strict=True):
                np.testing.assert_array_equal(other.pulled.payload, own)
        np.testing.assert_array_equal(office.weights, expected.weights)
    finally:
        office.supervisor.close()
        office.thread.join(10)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("office", [{"warmup_steps": 2}], indirect=True)
def test_others_begin_after_the_warmup(office):
    first, second = office.agent(0), office.agent(1)
    second.channel.send({"kind": "start"})
    first.channel.call({"kind": "start"})
    for step, gradient in enumerate(gradients(2), 1):
        first.push(gradient, header(step, step - 1))
    second.channel.receive()
    assert [office.told("started")["worker"] for _ in range(2)] == [0, 1]
    assert second.fetch().version == 2


@pytest.mark.timeout(60)
def test_the_end_of_an_agent_is_told_with_what_came_through(office):
    agent = office.agent(1)
    agent.push(gradients(1)[0], header(4, rows=12))
    agent.pushed.payload[:] = 1e9  # The next gradient, cut short: nobody was told of it.
    agent.channel.close()
    told = office.told("detached")
    assert told == {
        "kind": "detached", "worker": 1, "position": 4, "rows": 12, "updates": 1, "rejected": 0,
        "dropped": 0, "done": False,
    }  # fmt: skip
    assert np.abs(office.weights).max() < 1
    # A successor takes its place.
    successor = office.agent(1)
    successor.push(gradients(1)[0], header(5, 1, last=1), fetch=False)
    successor.channel.close()
    assert office.told("detached")["done"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reached", [0, 1])
def test_each_of_two_servers_has_an_update_whole_or_not_at_all(reached):
    """A worker is lost when one server has been told of its second gradient, and the other has half of it."""
    offices = [Office(), Office(first=False)]
    try:
        first, second, again = gradients(3)
        agents = [office.agent(0) for office in offices]
        for agent in agents:
            agent.push(first, header(1))
        agents[reached].push(second, header(2, 1))
        agents[1 - reached].pushed.payload[: P // 2] = second[: P // 2]
        for agent in agents:
            agent.channel.close()
        assert offices[0].told("detached")["position"] == (2 if reached == 0 else 1)
        expected = [make_adagrad(), make_adagrad()]
        for optimizer in expected:
            optimizer.apply(first)
        expected[reached].apply(second)
        for office, optimizer in zip(offices, expected, strict=True):
            np.testing.assert_array_equal(office.weights, optimizer.weights)
            np.testing.assert_array_equal(office.copies[1], optimizer.state["accumulator"])
        # The successor goes on from the batch that server 0 has.
        successors = [office.agent(0) for office in offices]
        for office, agent, optimizer in zip(offices, successors, expected, strict=True):
            agent.push(again, header(3 if reached == 0 else 2, optimizer.updates))
            optimizer.apply(again)
            np.testing.assert_array_equal(office.weights, optimizer.weights)
        assert [office.service._server.state.updates for office in offices] == [3 - reached, 2 + reached]
    finally:
        for office in offices:
            office.supervisor.close()
            office.thread.join(10)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("office", [{"max_updates": 1}], indirect=True)
def test_a_worker_that_is_told_to_stop_is_done(office):
    agent = office.agent(0)
    assert agent.push(gradients(1)[0], header(1)).stop
    agent.channel.close()
    assert office.told("detached")["done"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("office", [{}, {"first": False}], indirect=True)
def test_a_snapshot_is_one_version_with_its_counters(office):
    agent = office.agent(0)
    for step, gradient in enumerate(gradients(3), 1):
        agent.push(gradient, header(step, step - 1))
    office.supervisor.send({"kind": "snapshot", "final": True})
    told = office.told("snapshot")
    expected = make_adagrad()
    for gradient in gradients(3):
        expected.apply(gradient)
    np.testing.assert_array_equal(office.copies, [expected.weights, expected.state["accumulator"]])
    assert told["final"] and ServerState.from_json(told["state"]).updates == 3


@pytest.mark.timeout(60)
@pytest.mark.parametrize("office", [{"first": False}], indirect=True)
def test_only_server_0_makes_history(office):
    office.agent(0).push(gradients(1)[0], header(1))
    office.supervisor.send({"kind": "snapshot", "final": False})
    assert office.supervisor.receive()[0]["kind"] == "snapshot"
