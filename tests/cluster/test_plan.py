"""The plan of a study: arithmetic over measured costs."""

import pandas as pd
import pytest

from dca.cluster import plan as module
from dca.cluster.plan import PROFILE, Size, group_sizes, plan
from dca.config import load
from dca.errors import ConfigError

PAPER = Size(subjects=68, runs=68, training_runs=51, voxels=201_218, volumes=284)
COLUMNS = (
    "group",
    "stage",
    "fixed_s",
    "s_per_gb",
    "memory_mb",
    "memory_mb_per_gb",
    "disk_mb",
    "disk_mb_per_gb",
)


@pytest.fixture
def costs(tmp_path, monkeypatch):
    rows = [
        ("preprocess", "correct_motion", 10, 100, 500, 1000, 0, 0),
        ("preprocess", "extract_signals", 5, 20, 300, 4000, 1, 1000),
        ("raw", "glm", 1, 10, 100, 0, 2, 0),
        ("raw", "learn_dictionary", 0, 50, 100, 0, 3, 0),
        ("train", "train_model", 0, 7200, 1500, 0, 50, 0),
    ]
    path = tmp_path / "costs.tsv"
    pd.DataFrame(rows, columns=COLUMNS).to_csv(path, sep="\t", index=False)
    monkeypatch.setattr(module, "COSTS", path)


def test_jobs_hours_memory_and_disk_follow_from_the_costs(costs):
    size = Size(subjects=10, runs=20, training_runs=15, voxels=125_000, volumes=200)  # 0.1 GB a run
    table = plan(size, load(), {"preprocess": 8, "report": 10})
    assert table["slurm_jobs"].to_dict() == {
        "preprocess": 3, "raw": 20, "train": 1, "report": 4, "total": 28,
    }  # fmt: skip
    hours = table["core_hours"] * 3600
    assert hours["preprocess"] == pytest.approx(20 * (15 + 120 * 0.1))
    assert hours["train"] == pytest.approx(7200 * 0.1 * 15)
    assert table.loc["preprocess", "memory_gb"] == pytest.approx(0.7)
    assert table.loc["preprocess", "disk_gb"] == pytest.approx(20 * 0.101)
    assert table.loc["total", "memory_gb"] == pytest.approx(4.5)  # two workers and a server
    assert table.loc["total", "core_hours"] == pytest.approx(hours[:-1].sum() / 3600)


def test_with_gpus_the_training_is_counted_in_their_hours(costs):
    table = plan(PAPER, load(), {}, gpu_rate=10_000)
    assert table.loc["train", "core_hours"] == 0
    assert table.loc["train", "gpu_hours"] == pytest.approx(51 * 201_218 / 10_000 / 3600)


def test_a_study_without_the_dictionary_of_signals_still_has_its_glm(costs):
    config = load()
    config["decompose"]["setups"] = ["dca"]
    assert plan(PAPER, config, {}).loc["raw", "core_hours"] * 3600 == pytest.approx(
        68 * (1 + 10 * PAPER.run_gb)
    )


def test_the_shipped_costs_and_profile_give_hundreds_of_jobs_for_1200_subjects():
    size = Size(1200, 1200, 900, 201_218, 284)
    table = plan(size, load(), group_sizes([PROFILE]))
    assert 100 < table.loc["total", "slurm_jobs"] < 1000
    assert (table.loc["total", ["core_hours", "disk_gb"]] > 100).all()
    assert 0 < table.loc["total", "memory_gb"] < 64


def test_a_later_profile_replaces_the_groups_of_an_earlier_one(tmp_path):
    site = tmp_path / "config.yaml"
    site.write_text("group-components: [raw=3]\n")
    assert group_sizes([PROFILE, tmp_path]) == {"raw": 3}
    site.write_text("group-components: [raw=many]\n")
    with pytest.raises(ConfigError, match="raw=many"):
        group_sizes([site])
