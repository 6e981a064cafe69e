from dataclasses import replace
from pathlib import Path

import pytest

from dca.errors import InputError
from dca.files import read_tsv, write_json
from dca.inputs import Run
from dca.preprocess.limits import beyond_limits, included_runs, reasons_to_exclude, select_runs

RUN = Run("sub-01", "01", None, "x", None, "train", 2.0, 100, Path("x"), None, ("a",), None, None, None)

SUMMARY = {"mean_fd_mm": 0.6, "censored_volumes": 30, "volumes": 100, "tsnr_median": 40.0}


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, []),
        ({"mean_fd_mm": None, "censored_percent": 30, "tsnr": 40}, []),
        ({"mean_fd_mm": 0.5}, ["mean framewise displacement 0.6 mm is above the limit of 0.5 mm"]),
        ({"censored_percent": 20}, ["share of censored volumes 30 % is above the limit of 20 %"]),
        ({"tsnr": 50}, ["median temporal SNR 40 is below the limit of 50"]),
    ],
)
def test_what_is_beyond_a_limit_is_said(limits, said):
    found = beyond_limits(SUMMARY, limits)
    assert [line.split(" (")[0] for line in found] == said


def test_what_is_unknown_is_beyond_no_limit():
    unknown = dict.fromkeys(SUMMARY) | {"volumes": 100}
    assert beyond_limits(unknown, {"mean_fd_mm": 0.1, "censored_percent": 1, "tsnr": 99}) == []
    assert beyond_limits({}, {"mean_fd_mm": 0.1, "censored_percent": 1, "tsnr": 99}) == []


def runs_and_summaries(folder, displacements):
    """Runs, the last held out, with the summaries that belong to mean displacements in mm."""
    runs, paths = [], []
    for number, mean in enumerate(displacements):
        split = "validation" if number == len(displacements) - 1 else "train"
        runs.append(replace(RUN, run_id=f"sub-0{number}", split=split))
        paths.append(folder / f"{number}.json")
        write_json(paths[-1], {"volumes": 100, "mean_fd_mm": mean})
    return runs, paths


def test_runs_over_the_limits_are_left_out_with_the_reason(tmp_path):
    runs, summaries = runs_and_summaries(tmp_path, [0.1, 0.9, 0.2])
    out = tmp_path / "included.tsv"
    select_runs(runs, summaries, {"mean_fd_mm": 0.5}, out)
    assert included_runs(out) == {"sub-00", "sub-02"}
    table = read_tsv(out)
    assert "mean framewise displacement 0.9 mm is above" in table["reasons"][1]
    assert table["reasons"].isna().tolist() == [True, False, True]


def test_a_study_without_a_run_to_train_with_is_refused(tmp_path):
    runs, summaries = runs_and_summaries(tmp_path, [0.8, 0.9, 0.2])
    with pytest.raises(InputError, match="leaves none of 2 runs to train with"):
        select_runs(runs, summaries, {"mean_fd_mm": 0.5}, tmp_path / "included.tsv")


def test_a_study_that_loses_all_it_holds_out_is_refused(tmp_path):
    runs, summaries = runs_and_summaries(tmp_path, [0.1, 0.2, 0.9])
    with pytest.raises(InputError, match="leaves none of 1 runs to validate with"):
        select_runs(runs, summaries, {"mean_fd_mm": 0.5}, tmp_path / "included.tsv")


def test_runs_are_only_left_out_if_so_set():
    settings = {"limits": {"mean_fd_mm": 0.5}, "exclude_over_limits": False}
    assert reasons_to_exclude({"mean_fd_mm": 0.9}, settings) == []
    assert len(reasons_to_exclude({"mean_fd_mm": 0.9}, settings | {"exclude_over_limits": True})) == 1
