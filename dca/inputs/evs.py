"""Events from FSL's three-column files, one per kind of event: onset, duration, weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dca.errors import EventsError, InputError
from dca.files import write_tsv
from dca.inputs.events import check_times, safe_names
from dca.inputs.table import read_words

COLUMNS = {
    "onset": "Onset in seconds from the first volume.",
    "duration": "Duration in seconds.",
    "trial_type": "Name of the three-column file, without its suffix.",
}
_REMEDY = "give three columns: onset and duration in seconds, and the weight 1"


def check_evs(paths: Sequence[Path], duration_s: float) -> tuple[pd.DataFrame, str | None]:
    """Read the three-column files of one run.

    A file without rows is an event that did not occur, and so is a row of weight 0, by FSL's custom.

    Parameters
    ----------
    paths : sequence of Path
        The stem of each is the name of its event.
    duration_s : float
        Duration of the run in seconds.

    Returns
    -------
    table : DataFrame
        As of `dca.inputs.read_events`.
    note : str or None
        A warning: events that did not occur, or that end after the run.

    Raises
    ------
    EventsError
        If a file is missing or has other than three columns of numbers, a weight other than 0 and 1, a
        time that cannot be, or a name that is not fit for files; or if no event occurs.
    """
    folder = paths[0].parent
    names = safe_names(folder, [path.stem for path in paths])
    for name, safe in names.items():
        if name != safe:
            raise EventsError(
                folder,
                f"holds {name}.txt, which is no name for maps",
                f"rename it {safe}.txt, or set input.evs",
            )
    tables = [_read(path, duration_s) for path in paths]
    absent = [path.stem for path, table in zip(paths, tables, strict=True) if table.empty]
    if len(absent) == len(paths):
        raise EventsError(folder, f"has no event in {', '.join(absent)}", "check the files, or set input.evs")
    table = pd.concat([table for table in tables if len(table)])
    late = int((table["onset"] + table["duration"] > duration_s + 1e-6).sum())
    notes = [f"no event of {', '.join(absent)}"] if absent else []
    notes += [f"{late} event(s) end after the run ({duration_s:g} s)"] if late else []
    return table.sort_values("onset", kind="stable", ignore_index=True), "; ".join(notes) or None


def write_events(paths: Sequence[str | Path], duration_s: float, out: str | Path) -> None:
    """Write the events of three-column files as the TSV that BIDS has for them.

    Parameters
    ----------
    paths : sequence of path
        As of `check_evs`.
    duration_s : float
        Duration of the run in seconds.
    out : path
        Ends in ``.tsv``; a sidecar is written beside it.

    Raises
    ------
    EventsError
        As `check_evs`.
    OutputError
        If the folder cannot be written.
    """
    write_tsv(out, check_evs([Path(path) for path in paths], duration_s)[0], COLUMNS)


def _read(path: Path, duration_s: float) -> pd.DataFrame:
    try:
        rows = read_words(path)
        values = np.array([list(map(float, words)) for words in rows.values()] or np.empty((0, 3)))
    except InputError as error:
        raise EventsError(
            error.subject, error.problem, "fetch it, or choose other files by input.evs"
        ) from error
    except ValueError as error:  # no number, or rows of different length
        raise EventsError(path, f"is not a table of numbers ({error})", _REMEDY) from error
    if values.shape[1] != 3:
        raise EventsError(path, f"has {values.shape[1]} columns, not three", _REMEDY)
    onset, duration, weight = values.T
    wrong = ~np.isfinite(values).all(axis=1) | ~np.isin(weight, (0, 1))
    lines = pd.Index(rows)
    if wrong.any():
        first = int(wrong.argmax())
        said = " ".join(f"{number:g}" for number in values[first])
        raise EventsError(
            path, f"has a weight other than 0 and 1, or no number, in line {lines[first]} ({said})", _REMEDY
        )
    occurs = weight == 1
    onset, duration = onset[occurs], duration[occurs]
    check_times(path, lines[occurs], onset, duration, duration_s)
    return pd.DataFrame({"onset": onset, "duration": duration, "trial_type": path.stem})
