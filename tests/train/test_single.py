import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from dca.errors import TrainingError
from dca.files import read_tsv
from dca.model.backend import tf
from dca.train import single
from dca.train.autoencoding import Autoencoding
from dca.train.job import Job
from dca.train.settings import TrainSettings
from dca.train.split import TrainingData
from dca.train.step import GradientStep


@pytest.fixture(scope="module")
def first_job(write_sinusoids, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    train = [write_sinusoids(folder, "a", rows=60), write_sinusoids(folder, "b", rows=60, seed=1)]
    data = TrainingData.from_shards(train, [write_sinusoids(folder, "c", rows=30, seed=2)])
    settings = TrainSettings(mode="single", epochs=2, batch_size=10, learning_rate=0.05, ramp_steps=5)
    source = Autoencoding(data, tiny)
    return Job(source, folder / "train", settings, settings.resolve(data.rows), 3)


@pytest.fixture(scope="module")
def whole(first_job):
    """A training without an interruption."""
    return single.run(first_job)


@pytest.fixture
def job(first_job, tmp_path):
    """The same training, to be done in another folder."""
    return replace(first_job, folder=tmp_path / "train")


def test_it_learns_and_records_what_it_does(first_job, whole):
    job, outcome = first_job, whole
    assert (outcome.updates, outcome.samples, outcome.rejected) == (24, 240, 0)
    assert outcome.validation.total < 0.95 * outcome.details["initial_validation_loss"]["loss"]
    history = read_tsv(job.folder / "history.tsv")
    trained = history[history["split"] == "train"]
    assert trained["step"].tolist() == list(range(1, 25))
    assert trained["samples"].tolist() == list(range(10, 250, 10))
    assert trained["epoch"].tolist() == [0] * 12 + [1] * 12
    np.testing.assert_allclose(trained["learning_rate"].head(6), [0.01, 0.02, 0.03, 0.04, 0.05, 0.05])
    judged = history[history["split"] == "validation"]
    assert judged["step"].tolist() == [0, 12, 24]
    assert judged["loss"].iloc[-1] == pytest.approx(outcome.validation.total)
    assert history["time_s"].is_monotonic_increasing
    assert trained["stall"].between(0, 1).all() and outcome.details["stall"] <= 1
    timeline = read_tsv(job.folder / "timeline.tsv")
    assert {"read", "compute", "update", "validate", "checkpoint"} == set(timeline["phase"])
    assert (timeline["end_s"] >= timeline["start_s"]).all()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(job, whole, tmp_path):
    again = single.run(job)
    np.testing.assert_array_equal(again.weights, whole.weights)
    assert again.validation == whole.validation
    other = single.run(replace(job, seed=4, folder=tmp_path / "other"))
    assert not np.array_equal(other.weights, whole.weights)


def test_max_steps_counts_updates(job, tmp_path):
    limited = replace(job.settings, max_steps=5)
    outcome = single.run(replace(job, settings=limited, folder=tmp_path / "short"))
    assert outcome.updates == 5
    assert outcome.validation is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_next_run_ends_at_the_same_bits(job, whole, monkeypatch, number):
    plain, calls = GradientStep.__call__, []

    def interrupted(self, batch, out=None):
        calls.append(1)
        if len(calls) == 7:
            signal.raise_signal(number)
        return plain(self, batch)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(GradientStep, "__call__", interrupted)
            with pytest.raises(KeyboardInterrupt):
                single.run(job)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [p.name for p in (job.folder / "checkpoints").glob("*.npz")] == ["step-000000007.npz"]
    for table in ("history", "timeline"):
        (job.folder / f"{table}.tsv").unlink()  # as a workflow manager does
    outcome = single.run(job)
    np.testing.assert_array_equal(outcome.weights, whole.weights)
    assert (outcome.updates, outcome.samples) == (24, 240)
    history = read_tsv(job.folder / "history.tsv")
    assert history.loc[history["split"] == "train", "step"].tolist() == list(range(1, 25))


def test_after_sigkill_too(job, whole, tmp_path):
    # Bits depend on the threads, and those of this process may have been settled by another test.
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    often = replace(job, settings=replace(job.settings, checkpoint_s=0.0), threads=threads)
    code = f"""
        import os, pickle, signal
        from dca.train import single
        from dca.train.checkpoint import Checkpoints
        plain = Checkpoints.save
        def save(self, state):
            plain(self, state)
            if state.step == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        Checkpoints.save = save
        single.run(pickle.load(open({str(tmp_path / "job")!r}, "rb")))
    """
    (tmp_path / "job").write_bytes(pickle.dumps(often))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert b"oneDNN" not in done.stderr, "TensorFlow is noisy"
    np.testing.assert_array_equal(single.run(job).weights, whole.weights)


def test_a_finished_training_that_lost_its_model_is_not_trained_again(first_job, whole, monkeypatch):
    monkeypatch.setattr(GradientStep, "__call__", None)
    again = single.run(first_job)
    np.testing.assert_array_equal(again.weights, whole.weights)
    assert (again.updates, again.training, again.validation) == (
        whole.updates, whole.training, whole.validation,
    )  # fmt: skip


@pytest.mark.parametrize(
    "change", ["nothing", "data", "order", "switches", "penalty", "learning_rate", "seed"]
)
def test_only_a_checkpoint_of_the_same_data_model_and_settings_is_gone_on_from(
    first_job, whole, write_sinusoids, tiny, tmp_path, caplog, change
):
    """None of the changes shows in the number of parameters, nor in the shape of the shards."""
    job = replace(first_job, folder=tmp_path / "train")
    shutil.copytree(first_job.folder / "checkpoints", job.folder / "checkpoints")
    # Another seed of the second shard is another source of the same run, with as many rows.
    seeds = {"a": 0, "b": 7 if change == "data" else 1, "c": 2}
    paths = [
        write_sinusoids(tmp_path, run, rows=30 if run == "c" else 60, seed=n) for run, n in seeds.items()
    ]
    data = TrainingData.from_shards(paths[:2], paths[2:])
    if change == "order":
        first, second = data.train
        data = TrainingData.from_shards([second.path, first.path], paths[2:])
    model = replace(tiny, **{"switches": {"switches": False}, "penalty": {"penalty": 0.007}}.get(change, {}))
    settings = replace(
        job.settings, max_steps=1, learning_rate=0.06 if change == "learning_rate" else 0.05
    )  # max_steps may change
    seed = 4 if change == "seed" else job.seed
    other = replace(job, workload=Autoencoding(data, model), settings=settings, seed=seed)
    outcome = single.run(other)
    same = change == "nothing"
    assert outcome.weights.size == whole.weights.size
    assert (other.fingerprint == first_job.fingerprint) is same
    assert outcome.updates == (24 if same else 1)
    assert ("it belongs to other data, another model or other settings" in caplog.text) is not same
    assert ("training starts afresh" in caplog.text) is not same
    steps = read_tsv(other.folder / "history.tsv").query("split == 'train'")["step"]
    assert steps.tolist() == list(range(1, outcome.updates + 1))


def test_a_bad_gradient_is_skipped_and_counted_and_many_end_the_training(job, monkeypatch):
    plain, calls = GradientStep.__call__, []

    def sometimes(self, batch, out=None):
        gradient, losses = plain(self, batch)
        calls.append(1)
        return gradient * (np.nan if len(calls) == 3 else 1), losses

    monkeypatch.setattr(GradientStep, "__call__", sometimes)
    outcome = single.run(job)
    assert (outcome.updates, outcome.rejected, outcome.samples) == (23, 1, 240)
    assert np.isfinite(outcome.weights).all()

    def always(self, batch, out=None):
        gradient, losses = plain(self, batch)
        return gradient * np.nan, losses

    monkeypatch.setattr(GradientStep, "__call__", always)
    with pytest.raises(TrainingError, match="not finite"):
        single.run(replace(job, seed=9))
