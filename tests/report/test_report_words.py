"""Verdicts and the formatting of text and numbers."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca.compare.group import REFERENCES
from dca.report import setups, verdicts
from dca.report.page import anchor, facts, fixed, number
from dca.report.results import Folder, RunResults


def history(losses, split="validation") -> pd.DataFrame:
    steps = np.arange(1, len(losses) + 1)
    return pd.DataFrame({"step": steps, "loss": losses, "split": split})


@pytest.mark.parametrize(
    ("losses", "finding"),
    [
        ([9, 5, 3, 2, 1.5, 1.2, 1.0, 0.8], "Still falling"),
        ([9, 5, 3, 2, 1.01, 1.0, 1.0, 1.0, 1.0], "Settled"),
        ([9, 5, 3, 1, 1.0, 1.1, 1.2, 1.3], "Loss rose again"),
        ([9, 5, 3, np.nan], "Failed"),
    ],
)
def test_training_is_judged_by_its_validation_loss(losses, finding) -> None:
    assert verdicts.judge_training(history(losses), None).finding == finding


def test_training_without_validations_is_judged_by_training_loss() -> None:
    falling = verdicts.judge_training(history(np.geomspace(100, 1, 240), "train"), {"wall_s": 600})
    assert falling.finding == "Still falling"
    assert "training loss" in falling.detail and "10 min" in falling.detail
    assert verdicts.judge_training(history([3.0], "train"), None).level == "unknown"
    assert verdicts.judge_training(None, None).finding == "Not run"


def group(
    difference: float,
    low: float,
    high: float,
    n: int,
    split="all",
    measure="pcc_excess",
    status="against null",
    setup="dca",
) -> dict:
    return {
        "status": status, "setup": setup, "reference": REFERENCES.get(setup, "raw"),
        "split": split, "event": "(all)", "measure": measure, "n": n,
        "difference": difference, "ci_low": low, "ci_high": high,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        (group(0.1, 0.05, 0.2, 8), "dca higher"),
        (group(-0.1, -0.2, -0.05, 8), "raw higher"),
        (group(0.1, -0.05, 0.2, 8), "No difference shown"),
        (group(0.1, 0.05, 0.2, 5), "Too few subjects to judge"),
        (group(0.1, np.nan, np.nan, 1), "Too few subjects to judge"),
    ],
)
def test_setups_are_judged_by_the_interval_of_the_excess(row, finding) -> None:
    bare = group(0.5, 0.4, 0.6, 8, measure="pcc")  # says the opposite, and must not count
    assert verdicts.judge_group(pd.DataFrame([bare, row])).finding == finding


def test_held_out_subjects_come_first_where_they_are_enough() -> None:
    rows = [group(-0.1, -0.2, -0.05, 6, "validation"), group(0.1, 0.05, 0.2, 20)]
    assert verdicts.judge_group(pd.DataFrame(rows)).finding == "raw higher"
    rows[0]["n"] = 5
    assert verdicts.judge_group(pd.DataFrame(rows)).finding == "dca higher"


def test_setups_that_know_the_design_are_judged_by_their_maps() -> None:
    void = group(0.5, 0.4, 0.6, 8, status="void if all runs share one order")
    assert verdicts.judge_group(pd.DataFrame([void])).finding == "Cannot be judged"
    assert verdicts.judge_group(pd.DataFrame([void]), "dca-signal").finding == "Not run"
    maps = group(-0.1, -0.2, -0.05, 8, measure="others_r_excess", status="other runs, against null")
    verdict = verdicts.judge_group(pd.DataFrame([void, maps]))
    assert verdict.finding == "raw higher" and "of the maps -0.100" in verdict.detail


def test_every_setup_is_held_against_its_own_reference() -> None:
    rows = [group(0.1, 0.05, 0.2, 8), group(-0.1, -0.2, -0.05, 8, setup="dca-group")]
    table = pd.DataFrame([*rows, group(0.1, -0.05, 0.2, 8, setup="dca-signal")])
    found = {
        own: verdicts.judge_group(table, own, reference).finding
        for own, reference in setups.pairs({"setups": ["raw", "dca", "dca-signal"], "level": "both"})
    }
    assert found == {
        "dca": "dca higher",
        "dca-signal": "No difference shown",
        "dca-group": "raw-group higher",
    }


@pytest.mark.parametrize(
    ("names", "level", "shown"),
    [
        (["raw", "dca"], "run", ["raw", "dca"]),
        (["dca-signal", "dca", "raw"], "both", ["raw", "dca"]),
        (["raw", "dca-signal"], "run", ["raw", "dca-signal"]),
        (["raw", "dca", "dca-signal"], "group", ["raw-group", "dca-group"]),
        (["raw"], "both", ["raw"]),
    ],
)
def test_figures_show_raw_and_dca_of_the_first_level(names, level, shown) -> None:
    assert setups.leading({"setups": names, "level": level}) == shown


def pcc(p: list[float], **columns) -> pd.DataFrame:
    table = pd.DataFrame({"event": [str(i) for i in range(len(p))], "p": p})
    known = {"subject": "01", "run_id": "r", "setup": "dca", "pcc": 0.9, "null_mean": 0.8}
    return table.assign(**known | {"learnt_with": "run"} | columns)


def test_atoms_that_know_the_design_are_judged_by_where_they_are() -> None:
    columns = {"learnt_with": "design", "others_r": 0.5, "others_r_null": 0.1}
    verdict = verdicts.judge_events(pcc([0.001, 0.001], **columns, others_r_p=[0.01, 0.8]), "dca")
    assert (verdict.finding, verdict.level) == ("1 of 2 events", "good")
    assert "likeness to other runs" in verdict.detail and "+0.400" in verdict.detail
    verdict = verdicts.judge_events(pcc([0.001], **columns, others_r_p=np.nan), "dca")
    assert (verdict.finding, verdict.level) == ("Cannot be judged", "unknown")


@pytest.mark.parametrize(
    ("p", "level"), [([0.01, 0.9], "good"), ([0.01, 0.9, 0.9], "caution"), ([0.9], "poor")]
)
def test_events_are_judged_by_p_whatever_the_bare_pcc(p, level) -> None:
    assert verdicts.judge_events(pcc(p), "dca").level == level
    assert verdicts.judge_events(pcc(p), "raw").level == "unknown"


class _Run(RunResults):
    """A run of which only its motion is known."""

    def __init__(self, name: str, displacement) -> None:
        super().__init__({"run_id": name, "subject": name, "events": ()}, Folder("."))
        self.displacement = displacement


@pytest.mark.parametrize(("fd", "level"), [(0.1, "good"), (0.3, "caution"), (0.7, "poor"), (None, "unknown")])
def test_motion_is_judged_by_the_worst_run(fd, level) -> None:
    runs = [
        _Run("a", None if fd is None else np.full(9, 0.05)),
        _Run("b", None if fd is None else np.full(9, fd)),
    ]
    assert verdicts.judge_motion(runs).level == level


@given(st.text(), st.text())
def test_anchors_are_valid_and_different(one, other) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]*", anchor(one))
    assert (anchor(one) == anchor(other)) == (one == other)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (True, "True"),
        (12345, "12\u202f345"),
        (-0.12345, "−0.123"),
        ("x", "x"),
    ],
)
def test_numbers_read_well(value, text) -> None:
    assert number(value) == text


def test_statistics_line_up() -> None:
    assert [fixed(x) for x in (0.1, -0.1234, None, float("nan"))] == ["0.100", "−0.123", "–", "–"]
    assert fixed(0.1, 2, sign=True) == "+0.10"


def test_summaries_flatten() -> None:
    record = {"a_b": 1, "warnings": ["w"], "inner": {"x": None, "list": [1, 2.5]}, "none": []}
    assert facts(record) == [("a b", "1"), ("inner › x", "–"), ("inner › list", "1, 2.5"), ("none", "none")]
