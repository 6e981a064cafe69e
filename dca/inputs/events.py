"""Events files: read, checked against their run, names made safe for files."""

from __future__ import annotations

import logging
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from dca.errors import EventsError, InputError
from dca.inputs.table import read_text

log = logging.getLogger(__name__)

COLUMNS = ("onset", "duration", "trial_type")
EARLIEST = -24.0  # s; nilearn leaves out events before it (min_onset of its design matrices)
OVERLONG = 1.1  # an event of more than this many runs is in other units, not cut off by the run's end
LONGEST_NAME = 100  # bytes; file names hold 255
RESERVED = re.compile(r"constant|(trans|rot)_[xyz]|drift_[0-9]+")  # other columns of the design


def safe_name(trial_type: str) -> str:
    """Event name for file names: letters, digits, ``_`` and ``-`` of any script.

    Everything else becomes a ``-``. May be empty.
    """
    composed = unicodedata.normalize("NFC", trial_type)
    return re.sub(r"-{2,}", "-", re.sub(r"[^\w-]", "-", composed)).strip("-")


def read_events(path: str | Path, duration_s: float) -> pd.DataFrame:
    """Read the events of one run.

    Parameters
    ----------
    path : path
        BIDS events TSV, with or without BOM, any line ends.
    duration_s : float
        Duration of the run in seconds: volumes times TR.

    Returns
    -------
    DataFrame
        Columns ``onset`` and ``duration`` (float, seconds from the first volume) and
        ``trial_type`` (safe names), sorted by onset. Zero durations are impulses.

    Raises
    ------
    EventsError
        If the file is missing, lacks a column or rows, has a value that is missing or not a
        number, a negative duration, an event far before or past the run, or event types whose safe
        names collide with one another or with the design's other columns.
    """
    table, note = check_events(path, duration_s)
    if note:
        log.warning("%s: %s", path, note)
    return table


def check_events(path: str | Path, duration_s: float) -> tuple[pd.DataFrame, str | None]:
    """Do what :func:`read_events` does, and return its warning, if any, instead of logging it."""
    try:
        raw = read_text(path)
    except InputError as error:
        raise EventsError(error.subject, error.problem, error.remedy) from error
    _check_columns(path, raw)
    onset, duration = (_numbers(path, raw[name]) for name in ("onset", "duration"))
    types = _trial_types(path, raw)
    check_times(path, raw.index, onset, duration, duration_s)
    names = safe_names(path, types)
    late = int((onset + duration > duration_s + 1e-6).sum())
    note = f"{late} event(s) end after the run ({duration_s:g} s)" if late else None
    table = pd.DataFrame({"onset": onset, "duration": duration, "trial_type": [names[t] for t in types]})
    return table.sort_values("onset", kind="stable", ignore_index=True), note


def _check_columns(path: str | Path, raw: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in raw.columns]
    if missing:
        raise EventsError(
            path,
            f"lacks the column(s) {', '.join(missing)} (it has {', '.join(raw.columns)})",
            "write tab-separated columns onset, duration, trial_type",
        )
    twice = [name for name in COLUMNS if list(raw.columns).count(name) > 1]
    if twice:
        raise EventsError(path, f"has the column {twice[0]} twice", "keep one of them")
    if raw.empty:
        raise EventsError(path, "has no rows", "add the events, or remove the file for a resting-state run")


def _numbers(path: str | Path, column: pd.Series) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(float)
    bad = column[~np.isfinite(values)].fillna("n/a")
    if len(bad):
        raise EventsError(
            path,
            f"has no number as {column.name} in line {bad.index[0]} ('{bad.iloc[0]}')",
            "give every event its onset and duration in seconds, or remove the row",
        )
    return values


def _trial_types(path: str | Path, raw: pd.DataFrame) -> list[str]:
    column = raw["trial_type"]
    if column.isna().any():
        line = column.isna().idxmax()
        raise EventsError(path, f"names no trial_type in line {line}", "name the event, or remove the row")
    return column.tolist()


def check_times(
    path: str | Path, lines: pd.Index, onset: np.ndarray, duration: np.ndarray, duration_s: float
) -> None:
    """Refuse times (s) that no event of a run of `duration_s` has; `lines` are those of the file."""
    seconds = "give times in seconds from the first volume"
    for wrong, problem, remedy in (
        (duration < 0, "a negative duration", "mend it; an impulse has duration 0"),
        (onset >= duration_s, f"an onset past the end of the run ({duration_s:g} s)", seconds),
        (onset < EARLIEST, f"an onset earlier than {EARLIEST:g} s", seconds),
        (duration > OVERLONG * duration_s, f"a duration beyond the run's {duration_s:g} s", seconds),
    ):
        bad = np.flatnonzero(wrong)
        if len(bad):
            first = bad[0]
            times = f"onset {onset[first]:g}, duration {duration[first]:g}"
            raise EventsError(path, f"has {problem} in line {lines[first]} ({times})", remedy)


def safe_names(path: str | Path, types: list[str]) -> dict[str, str]:
    """Map event types to names for files, and refuse those that collide or are taken."""
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for trial_type in dict.fromkeys(types):
        name = safe_name(trial_type)
        if not name or len(name.encode()) > LONGEST_NAME:
            raise EventsError(
                path,
                f"the trial_type '{trial_type[:40]}' gives no name for a file",
                "rename it, with at most 100 letters and digits",
            )
        if RESERVED.fullmatch(name):
            raise EventsError(
                path,
                f"the trial_type '{trial_type}' has the name of a confound or drift of the design",
                "rename it",
            )
        # Casefolded: on some file systems face_z.nii.gz and Face_z.nii.gz are one file.
        rival = taken.setdefault(name.casefold(), trial_type)
        if rival != trial_type:
            raise EventsError(
                path,
                f"the trial types '{rival}' and '{trial_type}' give the same file name",
                "rename one of them",
            )
        names[trial_type] = name
    return names
