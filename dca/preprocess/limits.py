"""Limits of quality: the report names the runs beyond them, and, if so set, they are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dca.errors import InputError
from dca.files import read_json, read_tsv, write_tsv
from dca.inputs.run import Run

COLUMNS = {
    "run_id": "Name of the run.",
    "included": "1: the run is within the limits; 0: it is left out of training, GLM and comparison.",
    "reasons": "Which limits it does not keep, joined by '; '.",
}


def beyond_limits(summary: Mapping[str, Any], limits: Mapping[str, float | None]) -> list[str]:
    """Say which limits a run does not keep.

    Parameters
    ----------
    summary : mapping
        ``mean_fd_mm``, ``censored_volumes``, ``volumes``, ``tsnr_median``; None where unknown, which
        or missing is never beyond.
    limits : mapping
        ``mean_fd_mm``, ``censored_percent``, ``tsnr``; None = no limit.

    Returns
    -------
    list of str
        One line for each.
    """
    censored = summary.get("censored_volumes")
    share = None if censored is None else 100 * censored / summary["volumes"]
    tests = (
        ("mean_fd_mm", summary.get("mean_fd_mm"), 1, "mean framewise displacement", " mm"),
        ("censored_percent", share, 1, "share of censored volumes", " %"),
        ("tsnr", summary.get("tsnr_median"), -1, "median temporal SNR", ""),
    )
    return [
        f"{what} {value:.3g}{unit} is {'above' if sign > 0 else 'below'} the limit of {limit:g}{unit} "
        f"(preprocess.limits.{name})"
        for name, value, sign, what, unit in tests
        if value is not None and (limit := limits.get(name)) is not None and sign * (value - limit) > 0
    ]


def select_runs(
    runs: Sequence[Run],
    summaries: Sequence[str | Path],
    limits: Mapping[str, float | None],
    out: str | Path,
) -> None:
    """Write which runs keep all limits.

    Parameters
    ----------
    runs : sequence of Run
    summaries : sequence of path
        The ``summary.json`` of each.
    limits : mapping
        As for `beyond_limits`.
    out : path
        TSV with the columns ``run_id included reasons``.

    Raises
    ------
    InputError
        If no run is left to train with, or to validate with where there was one, or with a task.
    """
    reasons = [beyond_limits(read_json(path), limits) for path in summaries]
    left = [run for run, found in zip(runs, reasons, strict=True) if not found]
    for kind, before, after in (
        (
            "to train with",
            [run for run in runs if run.split == "train"],
            [r for r in left if r.split == "train"],
        ),
        (
            "to validate with",
            [run for run in runs if run.split == "validation"],
            [r for r in left if r.split == "validation"],
        ),
        ("with a task", [run for run in runs if run.events], [run for run in left if run.events]),
    ):
        if before and not after:
            first = next(found[0] for run, found in zip(runs, reasons, strict=True) if run is before[0])
            raise InputError(
                out,
                f"leaves none of {len(before)} runs {kind}, e.g. {before[0].run_id}: {first}",
                "raise preprocess.limits, or set preprocess.exclude_over_limits: false",
            )
    rows = [
        {"run_id": run.run_id, "included": int(not found), "reasons": "; ".join(found) or None}
        for run, found in zip(runs, reasons, strict=True)
    ]
    write_tsv(out, pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)


def included_runs(path: str | Path) -> set[str]:
    """Names of the runs that a table of `select_runs` lets in."""
    table = read_tsv(path, dtype={"run_id": str})
    return set(table.loc[table["included"] == 1, "run_id"])


def reasons_to_exclude(summary: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Why the settings (section ``preprocess``) leave a run out; empty if they do not."""
    return beyond_limits(summary, settings["limits"]) if settings["exclude_over_limits"] else []
