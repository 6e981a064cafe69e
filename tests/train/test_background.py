import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from dca.train.checkpoint import Checkpoints
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


def test_a_last_checkpoint_is_not_written_beside_another_of_the_same_update(tmp_path, journal):
    checkpoints = SlowCheckpoints(tmp_path)
    start = SimpleNamespace(
        checkpoints=checkpoints, resumed=0, place=lambda state: Position.start(1, 10), workload=None
    )
    background = Background(start, journal)
    arrays = {"weights": np.zeros(3, np.float32)}
    snapshot = Snapshot(arrays, ServerState(updates=7, workers=[WorkerState(position=7)]))
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
