"""Whole jobs of workers in step: they equal one process with all rows, and survive what can be survived."""

import signal
from dataclasses import replace

import numpy as np
import pytest

from dca.files import read_tsv
from dca.train import single, sync

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("processes")]


def combined(job, folder):
    """The same training in one process, whose batches are those of all workers together."""
    plan = replace(job.plan, batch_size=job.plan.batch_size * job.settings.workers)
    return replace(job, plan=plan, folder=folder, threads=1)


@pytest.mark.horovod
def test_workers_in_step_equal_one_process_with_all_their_rows(make_job, start, tmp_path):
    # 240 rows in batches of 3 x 7: the parts of the workers are not of one size.
    job = make_job(mode="sync", workers=3, batch_size=7, epochs=2)
    outcome = start(job).outcome()
    alone = single.run(combined(job, tmp_path / "alone"))
    assert (outcome.updates, outcome.samples) == (alone.updates, alone.samples) == (24, 480)
    np.testing.assert_allclose(outcome.weights, alone.weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outcome.validation, alone.validation, rtol=1e-5)
    np.testing.assert_allclose(outcome.training, alone.training, rtol=1e-5)

    columns = ["step", "epoch", "samples", "loss", "learning_rate", "split"]
    tables = [read_tsv(folder / "history.tsv")[columns] for folder in (job.folder, tmp_path / "alone")]
    assert tables[0].drop(columns="loss").equals(tables[1].drop(columns="loss"))
    np.testing.assert_allclose(*(table["loss"] for table in tables), rtol=1e-4)
    assert read_tsv(job.folder / "history.tsv").query("split == 'train'")["stall"].between(0, 1).all()
    timeline = read_tsv(job.folder / "timeline.tsv")
    for worker in range(3):
        spans = timeline[timeline["worker"] == worker]
        assert {"read", "compute", "exchange"} <= set(spans["phase"])
        assert (spans.groupby("phase").size()[["read", "compute", "exchange"]] == 24).all()
    assert (timeline["end_s"] >= timeline["start_s"]).all()


@pytest.mark.horovod
def test_a_lost_worker_costs_what_came_after_the_checkpoint_and_a_signal_nothing(
    make_job, start, tmp_path, check_nothing_leaks
):
    job = make_job(mode="sync", epochs=25, checkpoint_s=0.1)
    running = start(job)
    running.wait_for_update(20)
    assert running.members().keys() == {"job", "supervisor", "nursery", "worker 0", "worker 1"}
    check_nothing_leaks(running)
    running.kill("worker 1")
    running.wait_for_update(running.last_checkpoint() + 20)
    running.kill("job", signal.SIGTERM)
    text = running.end()
    assert running.process.returncode == -signal.SIGTERM
    assert "A worker was lost (worker 1 ended with SIGKILL" in text
    assert f"was stopped by SIGTERM after update {running.last_checkpoint()}" in text

    last = running.last_checkpoint()
    running = start(job)
    running.wait_for_update(last + 20)
    running.kill("supervisor")
    text = running.end()
    assert running.process.returncode == 9
    assert "the supervisor of the training ended (SIGKILL)" in text

    outcome = start(job).outcome()
    alone = single.run(combined(job, tmp_path / "alone"))
    assert (outcome.updates, outcome.samples) == (alone.updates, alone.samples)
    np.testing.assert_allclose(outcome.validation, alone.validation, rtol=0.02)
    history = read_tsv(job.folder / "history.tsv")
    assert history.loc[history["split"] == "train", "step"].tolist() == list(range(1, outcome.updates + 1))


@pytest.mark.horovod
def test_a_training_goes_on_in_any_other_mode_and_every_row_is_used_once(make_job, start, tmp_path):
    """240 rows, three epochs; each session ends in the middle of one. Also with other numbers of servers."""
    job = make_job(epochs=3, batch_size=10, warmup_steps=0)
    for mode, workers, servers, most, samples in (
        ("downpour", 2, 2, 10, 100), ("single", 1, 1, 17, 170), ("sync", 3, 1, 25, None),
        ("downpour", 3, 1, None, 720),
    ):  # fmt: skip
        settings = replace(job.settings, mode=mode, workers=workers, servers=servers, max_steps=most)
        session = replace(job, settings=settings)
        outcome = single.run(session) if mode == "single" else start(session).outcome()
        assert most is None or outcome.updates == most
        assert samples is None or outcome.samples == samples
        assert outcome.samples + outcome.rows_left == 3 * job.workload.data.rows
    history = read_tsv(job.folder / "history.tsv")
    trained = history[history["split"] == "train"]
    assert sorted(trained["step"]) == list(range(1, outcome.updates + 1))


@pytest.mark.horovod
def test_an_error_of_one_worker_is_the_jobs(make_job, start):
    few = make_job("few", rows=(2,), mode="sync", workers=3, epochs=2)
    broken = make_job("broken", mode="sync")
    broken.workload.data.train[0].path.unlink()
    running = [start(job) for job in (few, broken)]
    assert running[0].outcome().samples == 4  # fewer rows than workers
    text = running[1].end()
    assert running[1].process.returncode == 9
    assert (
        text.strip()
        .splitlines()[-1]
        .endswith("broken-0.h5: does not exist; run `signals` for this run first")
    )


def test_without_horovod_the_remedy_is_named(make_job, monkeypatch):
    from dca.errors import DependencyError

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"make horovod.*train\.mode: single"):
        sync.run(make_job(mode="sync"))
