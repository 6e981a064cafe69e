"""The worker's own part: what it pushes when, in what form, and how it mirrors its agents."""

from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.train import TrainSettings
from dca.train.downpour.accrual import Accrual, Encoder
from dca.train.downpour.exchange import Exchange
from dca.train.downpour.layout import shares
from dca.train.downpour.messages import Parcel, Pull, Push, turns
from dca.train.downpour.wire import Wire
from dca.train.downpour.worker import mark_last, work
from dca.train.losses import Losses

P = 6


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_accrual_is_the_mean_over_rows(rows, seed):
    random = np.random.default_rng(seed)
    gradients = random.standard_normal((len(rows), P)).astype(np.float32)
    before = gradients.copy()
    losses = random.uniform(0, 5, (len(rows), 3))
    accrual = Accrual()
    for _ in range(2):
        accrual.clear()
        for i, n in enumerate(rows):
            accrual.add(gradients[i], Losses(*losses[i]), n, 9.75 + i, 10.0 + i, 11.0 + i)
    np.testing.assert_allclose(accrual.gradient, np.average(gradients, 0, rows), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(accrual.losses, np.average(losses, 0, rows))
    assert (accrual.rows, accrual.batches) == (sum(rows), len(rows))
    assert (accrual.free, accrual.begin, accrual.end) == (9.75, 10.0, 10.0 + len(rows))
    assert accrual.waited == 0.25 * len(rows)
    np.testing.assert_array_equal(gradients, before)


@settings(deadline=None)
@given(st.integers(0, 10**7), st.integers(1, 40))
def test_shares_are_equal_and_cover_everything(length, servers):
    cut = shares(length, servers)
    assert cut[0].start == 0 and cut[-1].stop == length
    assert all(a.stop == b.start for a, b in pairwise(cut))
    sizes = {share.stop - share.start for share in cut}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@settings(deadline=None)
@given(seed=st.integers(0, 99), scale=st.sampled_from([1e-9, 1e-3, 1.0, 1e4]))
def test_what_rounding_takes_from_a_gradient_comes_with_later_ones(dtype, seed, scale):
    gradients = (scale * np.random.default_rng(seed).standard_normal((40, P))).astype(np.float32)
    encoder, sent = Encoder(P, dtype), np.zeros(P)
    payloads = [np.empty(2, dtype), np.empty(4, dtype)]
    for gradient in gradients:
        encoder.encode(gradient, [slice(0, 2), slice(2, 6)], payloads)
        sent += np.concatenate(payloads).astype(np.float64)
    # What is still missing is the rounding error of one gradient, not of forty.
    smallest = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    tolerance = 2 * np.abs(gradients).max() * float(ml_dtypes.finfo(dtype).eps) + smallest
    np.testing.assert_allclose(sent, gradients.astype(np.float64).sum(0), atol=tolerance)


def test_what_float16_cannot_hold_comes_in_parts():
    encoder, payload = Encoder(1, np.float16), np.empty(1, np.float16)
    received = 0.0
    for value in (200_000, 0, 0, 0):
        encoder.encode(np.array([value], np.float32), [slice(0, 1)], [payload])
        assert np.isfinite(payload).all()
        received += float(payload[0])
    assert received == 200_000


@pytest.mark.parametrize(
    ("items", "expected"), [("", []), ("a", [("a", True)]), ("ab", [("a", False), ("b", True)])]
)
def test_mark_last(items, expected):
    assert list(mark_last(items)) == expected


class Agents:
    """Stand for the wire, and for the agents at its end: fail if the worker departs from the schedule."""

    def __init__(self, n_push: int, n_fetch: int, stop_at: int | None = None) -> None:
        self.turns, self.stop_at = turns(n_push, n_fetch), stop_at
        self.pushes: list[Push] = []
        self.gradients: list[np.ndarray | None] = []
        self.computed_from: list[float] = []
        self.expected = ["open", "fetch"]
        self.ended = False

    def _next(self, kind: str) -> None:
        while not self.expected:
            assert not self.ended
            push, fetch = next(self.turns)
            self.expected = ["push"] * push + ["fetch"] * fetch
        assert self.expected.pop(0) == kind

    room = np.zeros(P, np.float32)

    def open(self) -> None:
        self._next("open")

    def push(self, gradient, header, versions) -> None:
        self._next("push")
        self.pushes.append(header)
        self.gradients.append(None if gradient is None else gradient.copy())
        self.computed_from += versions
        if header.last:
            self.ended, self.expected = True, []

    def pull(self):
        self._next("fetch")
        stop = self.stop_at is not None and len(self.pushes) >= self.stop_at
        return np.full(P, len(self.pushes), np.float32), [float(len(self.pushes))], stop


def play(agents, batches, gradient=None, **options) -> list[float]:
    """Let a worker work; the weights that each of its gradients was computed from."""
    weights, seen = [0.0], []

    def compute(batch, _):
        seen.append(weights[0])
        return np.ones(P, np.float32) if gradient is None else gradient(batch), Losses.of(1, 1)

    exchange = Exchange(agents, lambda w: weights.__setitem__(0, float(w[0])), TrainSettings(**options), 0)
    work(exchange, compute, [(0, np.full((2, 5), i, np.float32)) for i in range(batches)])
    return seen


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 13), st.none() | st.integers(0, 4), st.booleans())
def test_worker_and_agents_keep_step(n_push, n_fetch, batches, stop_at, overlap):
    agents = Agents(n_push, n_fetch, stop_at)
    play(agents, batches, n_push=n_push, n_fetch=n_fetch, overlap=overlap)
    assert agents.ended
    assert [push.last for push in agents.pushes] == [False] * (len(agents.pushes) - 1) + [True]
    assert agents.pushes[-1].position == sum(push.batches for push in agents.pushes)
    assert sum(push.rows for push in agents.pushes) == 2 * agents.pushes[-1].position
    if stop_at is None:
        assert agents.pushes[-1].position == batches


@pytest.mark.parametrize(("overlap", "age"), [(False, 0), (True, 1)])
def test_overlap_makes_weights_one_exchange_older_and_says_so(overlap, age):
    agents = Agents(1, 1)
    seen = play(agents, 6, overlap=overlap)
    assert seen == agents.computed_from == [max(0, i - age) for i in range(6)]


@pytest.mark.parametrize("overlap", [False, True])
def test_a_mean_is_as_old_as_the_oldest_gradient_in_it(overlap):
    agents = Agents(3, 2)
    seen = play(agents, 11, n_push=3, n_fetch=2, overlap=overlap)
    assert agents.computed_from == [min(seen[i : i + 3]) for i in range(0, 11, 3)]
    assert any(len(set(seen[i : i + 3])) > 1 for i in range(0, 11, 3))  # with a fetch in between


@pytest.mark.parametrize(("n_push", "overlap"), [(1, False), (1, True), (3, False)])
def test_the_share_of_time_that_went_into_waiting_for_rows(monkeypatch, n_push, overlap):
    now = [100.0]
    monkeypatch.setattr("time.time", lambda: now[0])

    def take(seconds, result=None):
        now[0] += seconds
        return result

    agents = Agents(n_push, n_push)
    exchange = Exchange(agents, lambda _: None, TrainSettings(n_push=n_push, n_fetch=n_push), 0)
    batches = ((0, take(wait, np.ones((2, 5), np.float32))) for wait in (1, 0, 3, 0, 0, 0))
    work(exchange, lambda *_: take(1, (np.ones(P, np.float32), Losses.of(1, 1))), batches)
    # The worker looks one batch ahead to know the last: it waits for the third before it computes the second.
    expected = {1: [0.5, 0.75, 0, 0, 0, 0], 3: [4 / 7, 0]}[n_push]
    assert [push.stall for push in agents.pushes] == pytest.approx(expected)
    assert all(push.read_start <= push.compute_start for push in agents.pushes)


@pytest.mark.parametrize("overlap", [False, True])
def test_a_gradient_that_is_not_finite_is_announced_and_not_sent(overlap):
    agents = Agents(1, 1)
    play(agents, 4, lambda batch: np.full(P, np.nan if batch[0, 0] == 2 else 1, np.float32), overlap=overlap)
    assert [push.finite for push in agents.pushes] == [1, 1, 0, 1]
    assert [gradient is None for gradient in agents.gradients] == [False, False, True, False]
    assert agents.pushes[-1].position == 4


def test_gradients_are_clipped_before_the_push():
    agents = Agents(2, 2)
    play(agents, 4, lambda batch: np.full(P, 10, np.float32), n_push=2, n_fetch=2, clip_norm=3.0)
    assert [np.linalg.norm(gradient) for gradient in agents.gradients] == pytest.approx([3, 3])


class World:
    """Keeps what is sent; gives back what is laid ready."""

    def send(self, name, outbox) -> None:
        self.sent = outbox.vector.copy()
        assert outbox.parts.numpy().sum() == len(self.sent)

    def receive(self, name, size) -> np.ndarray:
        assert len(self.ready) == size
        return self.ready


@pytest.mark.parametrize(
    ("options", "offered"), [({}, True), ({"overlap": True}, False), ({"n_push": 2}, False)]
)
def test_room_is_offered_where_nothing_else_needs_it(options, offered):
    agents, seen = Agents(options.get("n_push", 1), 1), []

    def compute(batch, out):
        seen.append(out is agents.room)
        gradient = np.empty(P, np.float32) if out is None else out
        gradient[:] = batch[0, 0]
        return gradient, Losses.of(1, 1)

    exchange = Exchange(agents, lambda _: None, TrainSettings(**options), 0)
    work(exchange, compute, [(0, np.full((2, 5), i, np.float32)) for i in range(4)])
    assert seen == [offered] * 4
    assert [gradient[0] for gradient in agents.gradients] == (
        [0.5, 2.5] if "n_push" in options else [0, 1, 2, 3]
    )


@pytest.mark.parametrize(
    ("servers", "compression", "there"), [(1, "none", True), (2, "none", False), (1, "float16", False)]
)
def test_what_is_put_into_the_room_is_sent(monkeypatch, servers, compression, there):
    world = World()
    wire = Wire(world, 11, servers, compression)
    assert (wire.room is not None) == there
    if there:
        assert np.shares_memory(wire.room, wire._outbox.vector)
        wire.room[:] = np.arange(11)
        monkeypatch.setattr(np, "copyto", None)
        wire.push(wire.room, Push(*range(len(Push._fields))), [0.0])
        np.testing.assert_array_equal(world.sent[:11], np.arange(11))


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize(("compression", "dtype"), [("none", np.float32), ("float16", np.float16)])
def test_every_server_gets_its_share_and_gives_it_back(servers, compression, dtype):
    world, length = World(), 11
    wire = Wire(world, length, servers, compression)
    gradient, weights = np.arange(length, dtype=np.float32), np.arange(length, dtype=np.float32) / 7
    header = Push(*range(len(Push._fields)))
    wire.push(gradient, header, list(range(20, 20 + servers)))
    start, parts = 0, []
    for server, share in enumerate(shares(length, servers)):
        size = Parcel.size(Push, share.stop - share.start, dtype)
        parcel = Parcel(Push, world.sent[start : start + size], share.stop - share.start, dtype)
        np.testing.assert_array_equal(parcel.payload, gradient[share])
        assert parcel.header == header._replace(version=20 + server)
        start += size
        answer = Parcel(
            Pull, np.empty(Parcel.size(Pull, share.stop - share.start), np.float32), share.stop - share.start
        )
        answer.payload[:], answer.header = weights[share], Pull(30 + server, server == 0)
        parts.append(answer.words)
    assert start == len(world.sent)
    world.ready = np.concatenate(parts)
    received, versions, stop = wire.pull()
    np.testing.assert_array_equal(received, weights)
    assert versions == [30 + server for server in range(servers)] and stop
