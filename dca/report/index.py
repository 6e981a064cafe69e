"""The index page: the whole study at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dca.decompose.settings import setups
from dca.preprocess.limits import reasons_to_exclude
from dca.report import charts, verdicts
from dca.report.costs import read_costs
from dca.report.gallery import Gallery, Shown
from dca.report.group_maps import show_group_maps
from dca.report.methods import write_methods
from dca.report.notes import gather_notes, study_logs
from dca.report.origin import origin_of
from dca.report.page import write_page
from dca.report.results import LABELS, Folder, RunResults, records
from dca.report.setups import leading, led_by_design, of_group, pairs
from dca.report.training import show_losses


def write_index(
    out: str | Path,
    runs: Sequence[Any],
    results: str | Path,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write ``results/report/index.html`` from results files.

    Parts whose files are missing say that they were not run.

    Parameters
    ----------
    out : path
        The page; links to subjects' pages are to files beside it.
    runs : sequence of `dca.inputs.Run` or mapping
        All runs of the study.
    results : path
        The results folder.
    config : mapping
        Complete settings.
    provenance : mapping, optional
        From `dca.provenance.collect`, which is asked by default.

    Raises
    ------
    OutputError
        If the page cannot be written.
    """
    folder = Folder(results)
    found = [RunResults(run, folder) for run in records(runs)]
    # With a model from elsewhere, train/ is what an earlier study left.
    trained = not config["encode"]["model"]
    history = folder.table("train/history.tsv") if trained else None
    training = folder.record("train/summary.json") if trained else None
    pcc = folder.table("compare/pcc.tsv", dtype=LABELS)
    group = folder.table("compare/group.tsv", dtype={"event": str})
    replication = folder.table("compare/replication.tsv", dtype=LABELS)
    section = config["decompose"]
    shown, led = leading(section), led_by_design(pcc)
    origins = origin_of(folder, config, provenance)
    report = config["report"]
    with Gallery(out, report["single_file"], report["formats"]) as gallery:
        context = {
            "verdicts": [
                verdicts.judge_runs(found, config["preprocess"], config["input"]["exclude"]),
                verdicts.judge_motion(found),
                verdicts.judge_training(history, training),
                *(verdicts.judge_events(pcc, setup) for setup in setups(section)),
                *(verdicts.judge_group(group, *pair) for pair in pairs(section)),
            ],
            "rows": [run_row(run, config) for run in found],
            "fd_threshold": charts.FD_THRESHOLD,
            "motion": _motion(found, gallery),
            "losses": show_losses(history, gallery),
            "group": group_rows(group),
            "shown": shown,
            "led": [setup for setup in shown if setup in led],
            "excess": _excess(pcc, group, shown, gallery),
            "grouped": any(map(of_group, setups(section))),
            "dictionaries": dictionary_rows(folder, section),
            "replication": replication_rows(replication),
            "group_maps": show_group_maps(folder, gallery),
            "methods": write_methods(config, found, origins),
            "costs": read_costs(folder),
            "config": config,
            "provenance": origins,
            "data": gallery.data,
        }
        # Last: by now every file has been looked at.
        logs = study_logs(folder.root)
        notes = gather_notes(found, folder.problems, training, logs, config)
        write_page(out, "index.html", notes=notes, **context)


def run_row(run: RunResults, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the table of runs says of one run."""
    left_out = reasons_to_exclude(run.summary("preprocess") or {}, config["preprocess"])
    # Signals of one that is left out are those of an earlier run of the study.
    displacement, signals = run.displacement, None if left_out else run.signals
    return {
        "left_out": left_out,
        "run": run.run,
        "run_id": run.run_id,
        "subject": run.subject,
        "events": len(run.events),
        "mean_fd": None if displacement is None else float(displacement.mean()),
        "moved": None if displacement is None else 100 * float((displacement > charts.FD_THRESHOLD).mean()),
        "voxels": signals and signals["voxels"],
        "excluded": {} if not signals else {reason: n for reason, n in signals["excluded"].items() if n},
    }


def group_rows(group: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Rows of the group table worth a reader's time: all subjects and held-out ones.

    The excess over the null by event, the other measures over all events only.
    """
    if group is None or group.empty:
        return []
    shown = group[
        group["split"].isin(["all", "validation"])
        & ((group["measure"] == "pcc_excess") | (group["event"] == verdicts.OVERALL))
    ]
    shown = shown.sort_values("split", kind="stable")  # "all" before "validation"
    return [{str(name): value for name, value in row.items()} for row in shown.to_dict("records")]


def dictionary_rows(folder: Folder, section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Summaries of the dictionaries of the group; what one does not tell, such as `split_half`, is None."""
    told = ("runs", "atoms", "unused_atoms", "r2", "last_quarter_fall_percent")
    halves = ("mean_r", "median_r", "above_0.8_percent")
    rows = []
    for setup in filter(of_group, setups(section)):
        summary = folder.group_summary(setup) or {}
        row = {name: summary.get(name) for name in told}
        row |= {name: (summary.get("split_half") or {}).get(name) for name in halves}
        rows.append({"setup": setup} | row)
    return rows


def replication_rows(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Means over held-out runs by group dictionary and event; `first` counts runs of `map_rank` 1."""
    if table is None or table.empty:
        return []
    rows = []
    for (setup, event), part in table.groupby(["setup", "event"], sort=False):
        means = {name: float(part[name].mean()) for name in ("map_r", "map_r_others", "pcc")}
        counts = {"first": int((part["map_rank"] == 1).sum()), "mapped": int(part["map_rank"].notna().sum())}
        key = {"setup": setup, "event": event, "atom": int(part["atom"].iloc[0]), "runs": len(part)}
        rows.append({**key, **counts, **means})
    return rows


def _motion(runs: Sequence[RunResults], gallery: Gallery) -> Shown | None:
    known = {run.run_id: run.displacement for run in runs if run.displacement is not None}
    if not known:
        return None
    alt = f"Framewise displacement of {len(known)} runs."
    percent = (25, 50, 75, 95)
    rows = [
        {f"percentile_{q}": np.percentile(v, q) for q in percent} | {"mean": v.mean()} for v in known.values()
    ]
    table = pd.DataFrame(rows, index=pd.Index(known, name="run_id")).add_suffix("_mm").reset_index()
    return gallery.add("motion", charts.draw_motion_overview(known, alt), table)


def _excess(
    pcc: pd.DataFrame | None, group: pd.DataFrame | None, shown: Sequence[str], gallery: Gallery
) -> Shown | None:
    if pcc is None or pcc.empty:
        return None
    excess = verdicts.excess_over_null(pcc)
    if not excess["setup"].isin(shown).any():
        return None
    differences = _differences(group, shown)
    data = "" if differences.empty else "compare/group.tsv (intervals)"
    alt = f"Best PCC minus the mean of its null, by event, {' beside '.join(shown)}"
    alt += "." if differences.empty else f"; below, {shown[-1]} less {shown[0]}."
    return gallery.add("excess", charts.draw_excess(excess, differences, shown, alt), excess, data)


def _differences(group: pd.DataFrame | None, shown: Sequence[str]) -> pd.DataFrame:
    """Rows of the group table for all subjects: the second setup less the first, where the excess counts."""
    columns = ["event", "difference", "ci_low", "ci_high"]
    if group is None or group.empty or len(shown) < 2:
        return pd.DataFrame(columns=columns)
    group = group[~verdicts.is_void(group)]
    wanted = {"split": "all", "measure": "pcc_excess", "setup": shown[1], "reference": shown[0]}
    return group.loc[(group[list(wanted)] == pd.Series(wanted)).all(axis=1), columns]
