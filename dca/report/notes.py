"""Errors and warnings of a study, gathered for the section that every page has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dca.decompose.settings import setups
from dca.preprocess.limits import beyond_limits
from dca.report.results import RunResults
from dca.report.setups import of_group, of_kind

# As `dca.jobs.job` writes it: date, time, level, logger, message. Other programs' noise is left in the logs.
_LINE = re.compile(r"^\S+ \S+ (WARNING|ERROR|CRITICAL) (dca\S*): (.+)$")
MOST_PER_LOG = 20


@dataclass(frozen=True)
class Note:
    """One error or warning: where it comes from, and what it says."""

    level: Literal["error", "warning"]
    source: str
    text: str


def gather_notes(
    runs: Sequence[RunResults],
    problems: Iterable[str],
    training: dict[str, Any] | None,
    logs: Sequence[Path],
    config: Mapping[str, Any],
) -> list[Note]:
    """Collect notes without repetition, errors first.

    Parameters
    ----------
    runs : sequence of RunResults
        Their summaries' ``warnings``.
    problems : iterable of str
        Files that could not be used.
    training : dict or None
        Summary of the training.
    logs : sequence of path
        Logs of jobs.
    config : mapping
        Complete settings: limits of the preprocessing, and the dictionaries there are.
    """
    preprocess = config["preprocess"]
    stages = ("preprocess", *(f"decompose/{setup}" for setup in setups(config["decompose"])), "glm")
    notes = [Note("error", "report", problem) for problem in problems]
    notes += _warnings(training, "train")
    for run in runs:
        beyond = beyond_limits(run.summary("preprocess") or {}, preprocess["limits"])
        left_out = bool(beyond) and preprocess["exclude_over_limits"]
        for stage in stages[:1] if left_out else stages:  # what an earlier study made of it does not count
            notes += _warnings(run.summary(stage), f"{stage}, {run.run_id}")
        if left_out:
            beyond = [f"{text}: left out of training, GLM and comparison" for text in beyond]
        notes += _warnings({"warnings": beyond}, f"preprocess, {run.run_id}")
    for setup in filter(of_group, setups(config["decompose"]) if runs else ()):
        notes += _warnings(runs[0].folder.group_summary(setup), f"decompose/group/{of_kind(setup)}")
    for log in logs:
        notes += _from_log(log)
    return sorted(dict.fromkeys(notes), key=lambda note: note.level)  # "error" sorts before "warning"


def study_logs(root: Path) -> list[Path]:
    """Logs of all jobs but those of the report itself, sorted."""
    return [
        log for log in sorted(root.glob("logs/**/*.log")) if "report" not in log.relative_to(root).parts[1]
    ]


def run_logs(root: Path, run_ids: Iterable[str]) -> list[Path]:
    """Logs of the jobs of some runs."""
    wanted = set(run_ids)
    return [
        log
        for log in study_logs(root)
        # <run_id>.log, <run_id>.<step>.log or <run_id>/<step>.log
        if wanted & {log.name.split(".")[0], log.parent.name}
    ]


def _warnings(summary: dict[str, Any] | None, source: str) -> list[Note]:
    listed = (summary or {}).get("warnings") or []
    return [Note("warning", source, str(text)) for text in ([listed] if isinstance(listed, str) else listed)]


def _from_log(log: Path) -> list[Note]:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = [match for match in map(_LINE.match, lines) if match]
    source = f"{log.parent.name}/{log.name}"
    notes = [
        Note("warning" if match[1] == "WARNING" else "error", source, match[3])
        for match in found[:MOST_PER_LOG]
    ]
    if len(found) > MOST_PER_LOG:
        notes.append(Note("warning", source, f"{len(found) - MOST_PER_LOG} more in the log"))
    return notes
