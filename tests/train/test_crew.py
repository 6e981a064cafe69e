"""Who is replaced, and who gets whose rows, with stand-ins for all processes."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from dca.train import TrainSettings
from dca.train.agenda import Agenda
from dca.train.data import RowStream
from dca.train.downpour import crew as crews
from dca.train.downpour.start import Beginning
from dca.train.downpour.state import ServerState, WorkerState
from dca.train.position import Position

EPOCHS = 3


class Rows:
    """A workload of two shards, which are never read."""

    whole = Agenda((((0, 60),), ((0, 33),)))

    def stream(self, position, worker):
        agenda, batches = position.share(worker, self.whole), position.batches[worker]
        paths = [Path("a.h5"), Path("b.h5")]
        return RowStream(paths, agenda, position.batch_size, EPOCHS, (0, worker), 40, batches)


class Unknown:
    """A workload of which nobody can tell what is left."""

    def stream(self, position, worker):
        return SimpleNamespace(steps=9, left=lambda: None)


class StandIn:
    """A pair at work whose processes are none."""

    phase, since, error, gone = "train", 0.0, None, False

    def __init__(self, worker, *_):
        self.worker = worker

    def autopsy(self):
        return f"worker {self.worker} ended with SIGKILL"

    def enter(self, phase):
        self.phase = phase

    def close(self):
        pass


@pytest.fixture
def begin(monkeypatch):
    """A function that gives a crew at work, what it began with, and the workers that were started."""
    started = []
    monkeypatch.setattr(crews, "Pair", lambda worker, *rest: started.append(worker) or StandIn(worker, *rest))

    def make(workload, *batches):
        position = Position.start(len(batches), 5)
        state = ServerState(workers=[WorkerState(own) for own in batches])
        streams = [workload.stream(position, i) for i in range(len(batches))]
        beginning = Beginning(
            SimpleNamespace(length=9, stream=workload.stream), (), None, None, state, [position], streams, 0,
            None, None, 0.0,
        )  # fmt: skip
        job = SimpleNamespace(settings=TrainSettings(workers=len(batches)), cores=2)
        site = SimpleNamespace(crowd=1, local_rank=lambda worker: worker)
        journal = SimpleNamespace(phase=lambda *_: None)
        crew = crews.Crew(
            job, -1, beginning, None, SimpleNamespace(site=site, seal=""), None, lambda: None, journal
        )
        crew.start()
        return crew, beginning, started

    return make


def lose_for_good(crew, worker):
    for _ in range(crews.MAX_RESTARTS + 1):
        crew.detached(worker, done=False)


def rows(agenda):
    """Every row to visit, with its shard and epoch."""
    return {
        (epoch, shard, row)
        for epoch in range(EPOCHS)
        for shard, spans in enumerate(agenda.of(epoch))
        for start, stop in spans
        for row in range(start, stop)
    }


def test_the_rows_of_a_stopped_worker_stay_where_they_are_when_another_is_lost_for_good(begin):
    workload = Rows()
    crew, beginning, started = begin(workload, 3, 0, 9, 2)
    before = beginning.place(beginning.state)
    bad, others = rows(before.left(workload, [0])), rows(before.left(workload, [1, 2, 3]))
    crew.stop(0, "its last 20 gradients were not finite")
    crew.detached(0, done=False)
    for lost, busy in ((1, [2, 3]), (2, [3])):
        lose_for_good(crew, lost)
        del started[:]
        for worker in busy:
            crew.detached(worker, done=False)
        assert started == busy  # All are back, and nobody else.
        position = Position.from_json(beginning.place(beginning.state).to_json())
        assert rows(position.left(workload)) == others
        assert rows(position.aside) == bad
        assert position.rows_left(workload, EPOCHS) == len(bad) + len(others)


def test_if_nobody_can_tell_what_a_lost_worker_left_the_others_just_go_on(begin, caplog):
    crew, beginning, started = begin(Unknown(), 0, 4)
    lose_for_good(crew, 1)
    assert started == [0, 1] + [1] * crews.MAX_RESTARTS
    assert crew.given_up.keys() == {1} and beginning.state.deals == 0
    assert "(worker 1 ended with SIGKILL): the others go on without its batches." in caplog.text
    crew.detached(0, done=True)
    assert crew.finished == {0}
