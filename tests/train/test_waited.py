from dca.train.processes import waited as module
from dca.train.processes.waited import Waited


def test_a_gap_counts_for_a_second_at_most(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    waited = Waited()
    for _ in range(4):
        now[0] += 0.5
        seconds = waited.look()
    assert seconds == 2
    now[0] += 3600
    assert waited.look() == 3
    waited.restart()
    assert waited.look() == 0
