"""The run table: what every later stage knows about one run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from dca.errors import InputError
from dca.files import read_tsv, write_tsv
from dca.inputs.remote import address

COLUMNS = {
    "run_id": "Name of the run in all results: its BIDS entities joined.",
    "subject": "Subject label, without 'sub-'.",
    "session": "Session label, without 'ses-'.",
    "task": "Task label, without 'task-'.",
    "run": "Run label, without 'run-'.",
    "split": "train = the autoencoder learns from it; validation = held out.",
    "tr": "Repetition time in seconds.",
    "volumes": "Number of volumes of the image.",
    "bold": "Path of the 4-D BOLD image.",
    "mask": "Path of the brain mask that comes with the image, if any.",
    "events": "Event names, safe for file names, joined by ';'. n/a = resting state.",
    "events_file": "Path of the events TSV, if any.",
    "confounds": "Path of the confounds TSV that comes with the image, if any.",
    "space": "Label of the space of the image, where its name gives one.",
}
SPLITS = ("train", "validation")
SEPARATOR = ";"


@dataclass(frozen=True)
class Run:
    """One run of one subject: a row of ``results/inputs.tsv``.

    Attributes
    ----------
    run_id : str
        BIDS entities joined, unique among the runs.
    subject, session, task, run : str or None
        BIDS labels without their prefix; only `subject` is always there.
    split : {"train", "validation"}
    tr : float
        Repetition time in seconds.
    volumes : int
        Number of volumes of the image, before any cropping.
    bold, mask, events_file, confounds : Path or None
        Absolute paths, of `bold` and `mask` also on S3 (`dca.inputs.remote`); only `bold` is always there.
    events : tuple of str
        Sorted event names, safe for file names; empty for resting state.
    space : str or None
        Label of the image's space, e.g. ``MNI152NLin2009cAsym``.
    """

    run_id: str
    subject: str
    session: str | None
    task: str | None
    run: str | None
    split: str
    tr: float
    volumes: int
    bold: Path
    mask: Path | None
    events: tuple[str, ...]
    events_file: Path | None
    confounds: Path | None
    space: str | None


def write_runs(path: str | Path, runs: Sequence[Run]) -> None:
    """Write the run table, with a sidecar that describes its columns."""
    rows = [{f.name: getattr(run, f.name) for f in fields(Run)} for run in runs]
    for row in rows:
        row.update((name, address(row[name])) for name in ("bold", "mask") if row[name])
        row["events"] = SEPARATOR.join(row["events"]) or None
    write_tsv(path, pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)


def read_runs(path: str | Path) -> list[Run]:
    """Read the run table.

    Raises
    ------
    InputError
        If it is missing or was not written by :func:`write_runs`.
    """
    table = read_tsv(path, dtype=str)
    if list(table.columns) != list(COLUMNS):
        raise InputError(path, "is not a run table of this version", "delete it: it is written anew")
    try:
        return [_from_row(row) for row in table.to_dict("records")]
    except (ValueError, TypeError) as error:
        raise InputError(path, f"has a damaged row ({error})", "delete it: it is written anew") from error


def _from_row(row: Mapping[Hashable, Any]) -> Run:
    text: dict[str, Any] = {str(name): None if pd.isna(value) else value for name, value in row.items()}
    paths: dict[str, Any] = {
        name: Path(text[name]) if text[name] else None for name in ("mask", "events_file", "confounds")
    }
    converted: dict[str, Any] = {
        "tr": float(text["tr"]),
        "volumes": int(text["volumes"]),
        "bold": Path(text["bold"]),
        "events": tuple(text["events"].split(SEPARATOR)) if text["events"] else (),
    }
    return Run(**{**text, **paths, **converted})


def training_length(runs: Sequence[Run]) -> int:
    """Volumes per series that all runs share: that of the shortest."""
    return min(run.volumes for run in runs)
