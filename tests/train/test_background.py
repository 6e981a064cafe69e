import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from dca.errors import OutputError, TrainingError
from dca.train.checkpoint import Checkpoints
from dca.train.downpour import background as module
from dca.train.downpour.background import Background, Snapshot
from dca.train.downpour.state import ServerState, WorkerState
from dca.train.position import Position


class SlowCheckpoints(Checkpoints):
    """Checkpoints of which a test decides when the first is complete."""

    def __init__(self, folder):
        super().__init__(folder, "this one")
        self.begun, self.go_on, self.at_once, self.most = threading.Event(), threading.Event(), 0, 0

    def save(self, state):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.begun.set()
        self.go_on.wait(5)
        try:
            return super().save(state)
        finally:
            self.at_once -= 1


@pytest.fixture
def journal():
    return SimpleNamespace(flush=lambda: None, elapsed_s=1.0, phase=lambda *_: None)


def make_snapshot():
    arrays = {"weights": np.zeros(3, np.float32)}
    return Snapshot(arrays, ServerState(updates=7, workers=[WorkerState(position=7)]))


def test_neither_a_last_checkpoint_nor_a_last_validation_is_waited_for_without_a_limit(
    tmp_path, journal, monkeypatch
):
    """A file server may hang, and so may what a user wrote."""
    checkpoints, go_on, beats = SlowCheckpoints(tmp_path), threading.Event(), []
    workload = SimpleNamespace(load=lambda weights: go_on.wait(5), validate=lambda: None)
    start = SimpleNamespace(
        checkpoints=checkpoints, resumed=0, place=lambda state: Position.start(1, 10), workload=workload
    )
    background = Background(start, journal, lambda: beats.append(1))
    for name in ("TICK_S", "SAVE_S", "VALIDATE_S"):
        monkeypatch.setattr(module, name, 0.01)
    try:
        with pytest.raises(
            OutputError, match=r"checkpoints: a checkpoint is not written after 0\.01 s; look"
        ):
            background.save_now(make_snapshot())
        with pytest.raises(
            TrainingError, match=r"the last validation has not ended after 0\.01 s; run again"
        ):
            background.validate_now(make_snapshot(), 0)
        assert len(beats) >= 2  # The job hears of it meanwhile.
    finally:
        checkpoints.go_on.set()
        go_on.set()


def test_a_last_checkpoint_is_not_written_beside_another_of_the_same_update(tmp_path, journal):
    checkpoints = SlowCheckpoints(tmp_path)
    start = SimpleNamespace(
        checkpoints=checkpoints, resumed=0, place=lambda state: Position.start(1, 10), workload=None
    )
    background = Background(start, journal, lambda: None)
    snapshot = make_snapshot()
    background.want_checkpoint()
    assert background.ready()
    background.take(snapshot)
    assert checkpoints.begun.wait(5)
    last = threading.Thread(target=background.save_now, args=(snapshot,))
    last.start()
    time.sleep(0.2)  # It has every chance to begin.
    checkpoints.go_on.set()
    last.join(10)
    assert checkpoints.most == 1
    assert background.saved == 7 and checkpoints.latest(3).step == 7
    background.ready()  # raises what the thread raised


def test_tables_are_written_before_their_checkpoint_and_the_main_thread_waits_for_neither(tmp_path, journal):
    go_on, order = threading.Event(), []
    checkpoints = SimpleNamespace(save=lambda state: order.append("checkpoint"))
    start = SimpleNamespace(
        checkpoints=checkpoints, resumed=0, place=lambda state: Position.start(1, 10), workload=None
    )
    journal.flush = lambda: order.append(go_on.wait(10))
    background = Background(start, journal, lambda: None)
    background.want_checkpoint()
    assert background.ready()
    background.take(make_snapshot())
    go_on.set()
    background._running.result(10)
    assert order == [True, "checkpoint"]
