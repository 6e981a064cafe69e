"""Whole Downpour jobs with real processes: what they compute and record."""

from dataclasses import replace

import numpy as np
import pytest

from dca.errors import DependencyError
from dca.files import read_tsv
from dca.train import downpour

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("processes")]


@pytest.mark.horovod
@pytest.mark.parametrize(
    "settings", [{}, {"servers": 2, "overlap": True, "compression": "bfloat16"}], ids=["plain", "all options"]
)
def test_two_workers_train_and_the_record_is_whole(make_job, start, check_complete, settings):
    job = make_job(epochs=3, warmup_steps=4, **settings)
    outcome = start(job).outcome()
    check_complete(job, outcome)
    assert outcome.details["rows_by_worker"] == [360, 360]
    assert outcome.validation.total < 0.9 * outcome.details["initial_validation_loss"]["loss"]
    assert sum(outcome.details["staleness"].values()) == outcome.updates
    history = read_tsv(job.folder / "history.tsv")
    validation = history[history["split"] == "validation"]
    assert validation["step"].iloc[0] == 0 and validation["step"].iloc[-1] == outcome.updates
    assert validation["epoch"].iloc[-1] == 2
    timeline = read_tsv(job.folder / "timeline.tsv")
    for worker in (0, 1):
        phases = set(timeline.loc[timeline["worker"] == worker, "phase"])
        assert {"start-up", "wait", "read", "compute", "exchange"} <= phases
    assert (timeline["end_s"] >= timeline["start_s"]).all()
    # Worker 1 began from the weights that worker 0 had made alone.
    train = history[history["split"] == "train"].sort_values("step")
    assert train["stall"].between(0, 1).all() and 0 <= outcome.details["stall"] <= 1
    assert job.plan.warmup_steps == 4
    assert (train["worker"].iloc[:4] == 0).all() and (train["worker"] == 1).any()


@pytest.mark.horovod
@pytest.mark.parametrize(
    "settings",
    [{"clip_norm": 2.0}, {"servers": 3, "optimizer": "adam", "clip_norm": 5.0}],
    ids=["1 server", "3 servers"],
)
def test_one_worker_equals_single(make_job, start, tmp_path, settings):
    from dca.train import single

    job = replace(make_job(workers=1, max_steps=20, **settings), threads=1)
    outcome = start(job).outcome()
    alone = single.run(replace(job, folder=tmp_path / "single"))
    assert outcome.updates == alone.updates == 20  # of 24 batches
    np.testing.assert_allclose(outcome.weights, alone.weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outcome.validation, alone.validation, rtol=1e-5)
    assert outcome.details["staleness"] == {"0": 20}


@pytest.mark.horovod
def test_jobs_side_by_side(make_job, start):
    few = make_job("few", rows=(2,), workers=3, epochs=2)
    rare = make_job("rare", n_push=3, n_fetch=2, epochs=2)
    late = make_job("late", workers=1, overlap=True)
    old = make_job("old", workers=1, n_fetch=4, max_staleness=2)
    running = [start(job) for job in (few, rare, late, old)]

    outcome = running[0].outcome()  # more workers than rows, a batch larger than all of them
    assert sorted(outcome.details["rows_by_worker"]) == [0, 2, 2]
    assert outcome.updates == 4

    outcome = running[1].outcome()  # of each worker 24 batches, three to a push
    assert outcome.details["updates_by_worker"] == [8, 8]
    assert outcome.samples == 2 * rare.workload.data.rows

    # With overlap, weights lack the gradient that is under way when their successor is computed.
    assert running[2].outcome().details["staleness"] == {"0": 1, "1": 23}

    # Of every four gradients from the same weights the last is too old.
    outcome = running[3].outcome()
    assert outcome.details["staleness"] == {"0": 6, "1": 6, "2": 6}
    assert outcome.details["dropped_updates"] == 6 and outcome.rejected == 0
    assert (outcome.updates, outcome.samples, outcome.rows_left) == (18, 180, 0)


def test_without_horovod_the_remedy_is_named(make_job, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"make horovod.*train\.mode: single"):
        downpour.run(make_job())
