import numpy as np
import pytest

from dca.files import read_tsv
from dca.train.logbook import Logbook
from dca.train.losses import Losses
from dca.train.team import Contribution, Lap


def test_stall_is_the_mean_share_of_time_that_waited_for_rows(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    log = Logbook(tmp_path, None, 0.0)

    def update(step, *laps):
        joint = Contribution(np.zeros(1, np.float32), Losses.of(1, 1), 10, False, laps)
        log.update(joint, step, 0, None, 10 * step, 0.1)

    with log.progress(3, 0):
        now[0] = 4.0
        update(1, Lap(0, 1, 3), Lap(0, 0, 4))
        now[0] = 6.0
        log.pause("validate", 4.0, 1)  # is not counted
        now[0] = 8.0
        update(2, Lap(2, 4, 4), Lap(2, 3, 4))
    log.flush()
    assert read_tsv(tmp_path / "history.tsv")["stall"].tolist() == pytest.approx([0.125, 0.75])
    assert log.history.stall() == pytest.approx(0.4375)
