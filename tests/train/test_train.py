import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from dca.errors import ConfigError, ShardError
from dca.files import checksum, read_json, read_tsv
from dca.model import Architecture, load_model
from dca.signals import Shard, write_shard
from dca.train import TrainSettings, train

SMALL = {"features": [3, 4], "filters": [5, 3], "pooling": [2]}


@pytest.fixture
def settings():
    return TrainSettings(mode="single", batch_size=10, learning_rate=0.05)


def test_a_training_ends_in_a_model_a_record_and_a_summary(make_shard, settings, tmp_path):
    folder = tmp_path / "results" / "train"
    summary = train([make_shard("a")], [make_shard("b")], folder, SMALL, settings, 0, model_extra={"x": 1})
    assert sorted(p.name for p in folder.iterdir()) == [
        "history.json", "history.tsv", "model", "summary.json", "timeline.json", "timeline.tsv",
    ]  # fmt: skip
    assert read_json(folder / "summary.json") == json.loads(json.dumps(summary))
    assert (summary["updates"], summary["samples"], summary["validation"]) == (5, 50, "subjects")
    assert summary["rows_left"] == 0
    assert summary["validation_loss"].keys() == {"loss", "reconstruction_loss", "feature_loss"}
    model, card = load_model(folder / "model")
    assert model.architecture == Architecture.from_config(SMALL, 40)
    assert summary["parameters"] == card["parameters"]
    assert (card["tr"], card["normalisation"], card["config"]) == (2.0, "zscore per voxel", {"x": 1})
    assert (card["preprocessing"], card["trained_on"]) == ([{"highpass_s": 100}], ["a"])


def test_a_training_towards_what_others_share_learns_it(write_sinusoids, tmp_path):
    shards, targets = [], []
    for i, name in enumerate("abcd"):
        shards.append(write_sinusoids(tmp_path, name, rows=200, seed=i))
        with Shard(shards[-1]) as shard:
            attributes = {key: value for key, value in shard.attributes.items() if key != "schema"}
        # All share one course; what a series is like says nothing of it.
        course = np.sin(np.arange(40) / 3).astype(np.float32)
        targets.append(tmp_path / f"target_{name}.h5")
        write_shard(
            targets[-1], [np.tile(course, (200, 1))], length=40, voxel=np.arange(200), mean=np.zeros(200),
            std=np.ones(200), attributes=attributes,
        )  # fmt: skip
    settings = TrainSettings(
        mode="single", target="others", optimizer="adam", learning_rate=0.01, batch_size=20, epochs=10
    )
    summary = train(shards[:3], shards[3:], tmp_path / "train", SMALL, settings, 0, targets=targets)
    assert summary["validation_loss"]["reconstruction_loss"] < 0.1 * 0.5 * (course**2).sum()
    model, card = load_model(tmp_path / "train" / "model")
    assert card["target"] == "others"
    with Shard(shards[3]) as shard:
        output = model(shard.read(0, 50)).numpy()
    assert np.corrcoef(output.mean(0), course)[0, 1] > 0.95


def test_targets_and_the_setting_must_agree(make_shard, settings, tmp_path):
    shard = make_shard("a")
    with pytest.raises(ConfigError, match="shards of targets"):
        train([shard], [], tmp_path / "train", SMALL, settings, 0, targets=[shard])
    with pytest.raises(ConfigError, match="shards of targets"):
        train([shard], [], tmp_path / "train", SMALL, replace(settings, target="others"), 0)
    settings = replace(settings, target="others")
    with pytest.raises(ShardError, match="is not of the rows of"):
        train([shard], [], tmp_path / "train", SMALL, settings, 0, targets=[make_shard("b")])


def test_a_forced_repetition_trains_again_to_the_same_files(make_shard, settings, tmp_path):
    shard, weights = make_shard("a"), tmp_path / "train" / "model" / "model.weights.h5"
    train([shard], [], tmp_path / "train", SMALL, settings, 0)
    before = checksum(weights)
    weights.unlink()
    train([shard], [], tmp_path / "train", SMALL, settings, 0)
    assert checksum(weights) == before


def test_another_attempt_at_a_training_that_had_ended_does_not_do_it_again(make_shard, tmp_path):
    settings = TrainSettings(mode="single", batch_size=10, learning_rate=0.05, checkpoint_s=0)
    folder, shard = tmp_path / "train", make_shard("a")

    def trained(**attempt):
        for path in (folder / "model", folder / "summary.json", folder / "history.tsv"):  # as Snakemake does
            if path.exists():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert train([shard], [], folder, SMALL, settings, 0, **attempt)["updates"] == 5
        rows = read_tsv(folder / "history.tsv")
        return list(rows.loc[rows["split"] == "train", "time_s"]), checksum(folder / "model/model.weights.h5")

    first = trained(attempt=1)
    assert trained(attempt=2) == first  # to the times of its steps
    assert trained(attempt=1)[0] != first[0]
    assert (folder / "checkpoints").exists()
    # What was left behind on a lost node came to the end, then Slurm's new start of the same job.
    orphan = trained(attempt=1, submission="7")
    assert trained(attempt=1, submission="7") == orphan
    assert trained(attempt=1, submission="8")[0] != orphan[0]
    assert trained()[0] != first[0]
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize("rows", [1, 3])
def test_a_smoke_run_with_hardly_any_rows(make_shard, tmp_path, rows):
    shard = make_shard("a", rows=rows)
    summary = train([shard], [], tmp_path / "train", SMALL, TrainSettings(mode="single"), 0)
    assert summary["updates"] == 1
    assert summary["validation"] == ("nothing" if rows == 1 else "rows")
    assert (summary["validation_loss"] is None) == (rows == 1)


def test_an_architecture_for_another_length_is_refused(make_shard, settings, tmp_path):
    with pytest.raises(ConfigError, match="44 time points"):
        train([make_shard("a")], [], tmp_path, Architecture.from_config(SMALL, 44), settings, 0)
