"""The plan of a study: arithmetic over measured costs."""

from types import SimpleNamespace

import pandas as pd
import pytest

from dca.cli import main
from dca.cluster import plan as module
from dca.cluster.plan import PROFILE, Size, count_anatomies, group_sizes, plan
from dca.config import ROOT, load
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


def test_a_t1w_image_that_fsl_registers_is_counted_once(tmp_path):
    for name in ("sub-01/anat/sub-01_T1w.nii", "sub-02/anat/sub-02_T1w.nii"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    runs = [
        SimpleNamespace(bold=tmp_path / f"sub-0{subject}/func/run-{run}_bold.nii")
        for subject in (1, 2, 3)
        for run in (1, 2)
    ]
    config = load()
    config["preprocess"]["registration"] = "nonlinear"
    assert count_anatomies(runs, config) == 0  # the native backend does not
    config["preprocess"]["backend"] = "fsl"
    assert count_anatomies(runs, config) == 2
    config["preprocess"]["registration"] = "none"
    assert count_anatomies(runs, config) == 0


PAPER_WORKERS = ("--set", "train.workers=13")
PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


@pytest.fixture
def printed(capsys):
    """What the command prints: its table, and the line below."""

    def run(*arguments):
        assert main(["plan", *map(str, arguments)]) == 0
        *lines, last = capsys.readouterr().out.splitlines()
        columns, _, *rows = map(str.split, lines)
        table = pd.DataFrame([row[1:] for row in rows], [row[0] for row in rows], columns)
        return table, last

    return run


def test_the_command_prints_the_plan_of_a_study_that_is_not_there_yet(printed):
    small, line = printed("--runs", 68, *PAPER_WORKERS)
    assert line == "68 runs of 201218 in-mask voxels (as told) x 284 volumes."
    assert list(small.columns) == ["slurm_jobs", "core_hours", "gpu_hours", "memory_gb", "disk_gb"]
    assert list(small.index) == ["preprocess", "raw", "train", "dca", "report", "total"]
    large, line = printed("--runs", 1200, *PAPER_WORKERS)
    assert line.startswith("1200 runs")
    assert (small.loc["total", "slurm_jobs"], large.loc["total", "slurm_jobs"]) == ("27", "388")
    fewer, line = printed("--runs", 68, "--subjects", 34, "--voxels", 1000, "--volumes", 100)
    assert line == "68 runs of 1000 in-mask voxels (as told) x 100 volumes."
    assert fewer.loc["report", "slurm_jobs"] == "4"  # one job has the pages of 50 subjects


def test_jobs_of_t1w_images_are_in_the_plan_of_backend_fsl(printed):
    fsl = ("--set", "preprocess.backend=fsl", "--set", "preprocess.registration=affine")
    table, _ = printed("--runs", 68, "--subjects", 34, *fsl)
    assert table.index[0] == "anatomy" and table.loc["anatomy", "slurm_jobs"] == "4"


def test_a_site_may_have_other_groups(printed, tmp_path):
    (tmp_path / "config.yaml").write_text("group-components: [preprocess=68]\n")
    table, _ = printed("--runs", 68, "--profile", tmp_path)
    assert table.loc[["preprocess", "raw"], "slurm_jobs"].to_list() == ["1", "68"]


def test_the_page_has_what_the_command_prints(printed):
    named = {"`preprocess`": "preprocess", "`raw`": "raw", "training": "train", "`dca`": "dca"}
    named |= {"pages, tables": "report", "together": "total"}
    tables = [printed("--runs", runs, *PAPER_WORKERS)[0] for runs in (68, 1200)]
    assert set(named.values()) == set(tables[0].index)
    for title, group in named.items():
        cells = [title]
        for table in tables:
            row = table.loc[group]
            costs = ["–", "–"] if group == "report" else [row["core_hours"], row["disk_gb"]]
            cells += [row["slurm_jobs"], *costs]
        assert f"| {' | '.join(cells)} |" in PAGE
    memory = {table.loc["total", "memory_gb"] for table in tables}
    assert memory == {"17.3"} and "The largest job needs 17.3 GB" in PAGE


def test_the_page_has_what_the_command_prints_for_gpus(printed):
    rest = [
        printed("--runs", n, *PAPER_WORKERS, "--gpu-rate", 59380)[0].loc["total", "core_hours"]
        for n in (68, 1200)
    ]
    hours = [
        plan(Size(n, n, 3 * n // 4, 201_218, 284), load(), {}, 59_380).loc["train", "gpu_hours"]
        for n in (68, 1200)
    ]
    assert f"{hours[0]:.2f} GPU-hours for 68 runs and {hours[1]:.1f} for 1,200" in PAGE
    assert f"all the rest {rest[0]} and {rest[1]} core-hours" in PAGE
