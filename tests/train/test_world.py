"""What can be said of Horovod worlds without one."""

import os

import pytest

from dca.train.processes.world import set_cycle


@pytest.mark.parametrize(("processes", "cores", "ms"), [(4, 2, 1), (6, 2, 2.5), (39, 2, 27.2), (39, 64, 1)])
def test_the_more_processes_share_a_core_the_longer_is_a_cycle(monkeypatch, processes, cores, ms):
    monkeypatch.setenv("HOROVOD_CYCLE_TIME", "")  # to be restored
    del os.environ["HOROVOD_CYCLE_TIME"]
    set_cycle(processes, cores)
    assert float(os.environ["HOROVOD_CYCLE_TIME"]) == pytest.approx(ms, rel=0.01)


def test_a_cycle_that_was_set_stays(monkeypatch):
    monkeypatch.setenv("HOROVOD_CYCLE_TIME", "7")
    set_cycle(100, 1)
    assert os.environ["HOROVOD_CYCLE_TIME"] == "7"
