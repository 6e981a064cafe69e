"""What ran in a study, as its results files tell it: what the methods text is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dca.decompose.settings import setups
from dca.errors import DCAError
from dca.model.card import read_card
from dca.preprocess import backends
from dca.preprocess.limits import reasons_to_exclude
from dca.report.results import RunResults
from dca.report.verdicts import is_void

TOLD = ("setup", "learnt_with", "surrogates", "null", "p_corrected", "heldout_pcc")  # of the comparison
SIX = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


class Record(dict[str, Any]):
    """What a stage recorded, records in it included; a field that it lacks is None."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__({k: Record(v) if isinstance(v, Mapping) else v for k, v in content.items()})

    def __missing__(self, name: str) -> None:
        return None


def what_ran(config: Mapping[str, Any], runs: Sequence[RunResults]) -> dict[str, Any]:
    """Gather what the stages recorded; a stage that left nothing is None or empty.

    Parameters
    ----------
    config : mapping
        Complete settings.
    runs : sequence of RunResults
        All runs of the study.
    """
    left_out = {run.run_id: _reasons(run, config) for run in runs if _reasons(run, config)}
    kept = [run for run in runs if run.run_id not in left_out]
    elsewhere = config["encode"]["model"]
    return {
        "left_out": left_out,
        "runs": len(kept),
        "subjects": len({run.subject for run in kept}),
        "held_out": len({run.subject for run in kept if run.run.get("split") == "validation"}),
        "task_runs": sum(bool(run.events) for run in kept),
        "trs": sorted({run.tr for run in kept}),
        "volumes": sorted({int(run.run["volumes"]) for run in kept}),
        "preprocessing": _preprocessing(kept),
        "signals": sum(run.signals is not None for run in kept),
        "detrended": sum(run.signals is not None and run.signals["detrended"] for run in kept),
        "card": Record((_card(elsewhere) if elsewhere else _first(kept, "train/model/card.json")) or {}),
        "training": Record({} if elsewhere else _first(kept, "train/summary.json") or {}),
        "encoded": sum(_encoded(run) for run in kept),
        "dictionaries": _dictionaries(config, kept),
        "glm": _models([run.summary("glm") for run in kept if run.events]),
        "comparison": _comparison(kept),
    }


def _encoded(run: RunResults) -> bool:
    return run.folder.record(f"features/{run.run_id}_reconstruction.json") is not None


def _reasons(run: RunResults, config: Mapping[str, Any]) -> list[str]:
    return reasons_to_exclude(run.summary("preprocess") or {}, config["preprocess"])


def _card(folder: str) -> dict[str, Any] | None:
    """The card of a model from elsewhere."""
    try:
        return read_card(Path(folder))
    except DCAError:
        return None


def _first(runs: Sequence[RunResults], path: str) -> dict[str, Any] | None:
    """A file that all runs share."""
    return runs[0].folder.record(path) if runs else None


def _preprocessing(runs: Sequence[RunResults]) -> dict[str, Any] | None:
    """Backend, number of runs, and each step's first record with all methods and the number of its runs."""
    summaries = [found for run in runs if (found := run.summary("preprocess"))]
    if not summaries:
        return None
    records: dict[str, list[Mapping[str, Any]]] = {}
    for summary in summaries:
        for record in summary.get("steps") or []:
            if isinstance(record, Mapping) and "step" in record:
                records.setdefault(str(record["step"]), []).append(record)
    steps = {
        step: {
            **own[0],
            **{name: _several(record.get(name) for record in own) for name in ("method", "made_by")},
            "runs": len(own),
        }
        for step, own in records.items()
    }
    censored = sum(int(summary.get("censored_volumes") or 0) for summary in summaries)
    name = summaries[0].get("backend")
    return {
        "backend": name,
        "methods": backends.load(name).methods if name in backends.names() else "",
        "runs": len(summaries),
        "steps": Record(steps),
        "censored": censored,
        "versions": {
            program: _several(record.get(program) for own in records.values() for record in own)
            for program in ("niimath", "simpleitk", "nilearn", "fsl")
        },
    }


def _dictionaries(config: Mapping[str, Any], runs: Sequence[RunResults]) -> list[dict[str, Any]]:
    """One record for each setup that was decomposed."""
    found = []
    for setup in setups(config["decompose"]):
        summaries = [record for run in runs if (record := run.summary(f"decompose/{setup}"))]
        if summaries:
            found.append(
                {
                    "setup": setup,
                    "runs": len(summaries),
                    **{name: _several(s.get(name) for s in summaries) for name in ("atoms", "normalise")},
                    "lambda": _several(s.get("lambda") for s in summaries),
                    "courses": _several(s.get("courses") for s in summaries),
                    "spams": _several((s.get("versions") or {}).get("spams") for s in summaries),
                }
            )
    return found


def _models(summaries: Iterable[dict[str, Any] | None]) -> dict[str, Any] | None:
    found = [summary for summary in summaries if summary]
    if not found:
        return None
    confounds = {tuple(summary.get("confounds") or ()) for summary in found}
    return {
        "runs": len(found),
        "nilearn": _several((s.get("versions") or {}).get("nilearn") for s in found),
        "six": all(set(names) == set(SIX) for names in confounds),
        "confounds": _several(len(names) for names in confounds),
        **{name: _several(s.get(name) for s in found) for name in ("hrf", "noise", "drift", "highpass_s")},
    }


def _comparison(runs: Sequence[RunResults]) -> dict[str, Any] | None:
    # Not `run.comparison`, which a run keeps as a whole.
    read = [
        run.folder.table(f"compare/runs/{run.run_id}.tsv", usecols=lambda name: name in TOLD) for run in runs
    ]
    tables = [table for table in read if table is not None and len(table)]
    if not tables:
        return None
    rows = pd.concat(tables, ignore_index=True)
    group = runs[0].folder.table("compare/group.tsv", dtype={"event": str})
    judged = None if group is None or group.empty else group[~is_void(group) & group["ci_low"].notna()]
    intervals = [] if judged is None else judged.loc[judged["measure"] == "pcc_excess", "n"].tolist()
    of_maps = [] if judged is None else judged.loc[judged["measure"] == "others_r_excess", "n"].tolist()
    return {
        "runs": len(tables),
        "surrogates": int(rows["surrogates"].max()),
        "nulls": set(rows["null"].dropna()),
        "corrected": "p_corrected" in rows and bool(rows["p_corrected"].notna().any()),
        "heldout": "heldout_pcc" in rows and bool(rows["heldout_pcc"].notna().any()),
        "paired": int(max(intervals)) if intervals else 0,
        "led": sorted(rows.loc[rows["learnt_with"] == "design", "setup"].unique()),
        "paired_maps": int(max(of_maps)) if of_maps else 0,
    }


def _several(values: Iterable[Any]) -> str:
    """All that a record says in any run, in words; empty where none says it."""
    known = sorted({value for value in values if value is not None and value != ""}, key=str)
    return " or ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in known)
