"""Input from a manifest: a TSV with one row per run, for data in any layout."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dca.errors import ConfigError, InputError
from dca.files import stem
from dca.inputs import remote
from dca.inputs.candidate import Candidate
from dca.inputs.entities import LABEL, shortlist
from dca.inputs.paths import absolute
from dca.inputs.run import SPLITS
from dca.inputs.sidecar import Folders, describing
from dca.inputs.table import read_text
from dca.inputs.timing import plausible

LABELS = {
    "subject": "sub",
    "session": "ses",
    "task": "task",
    "acq": "acq",
    "dir": "dir",
    "run": "run",
    "echo": "echo",
    "space": "space",
}
PATHS = ("bold", "mask", "events", "confounds")
COLUMNS = (*PATHS, *LABELS, "tr", "split")
REQUIRED = ("bold", "subject")
ALIASES = {"events_file": "events"}


def find(config: dict[str, Any], base: Path) -> list[Candidate]:
    """List the runs of a manifest.

    Columns: ``bold`` and ``subject``; optionally ``session task run acq dir echo space`` (labels),
    ``mask events confounds`` (paths), ``tr`` (s) and ``split``. Relative paths start from the
    manifest's folder. All of these may lie on S3 (``s3://bucket/key``). Events, confounds and the JSON file
    beside an image are copied from there into the results at once, images by the jobs that need them.

    Raises
    ------
    ConfigError
        If no manifest is named, or it does not exist.
    InputError
        If it has an unknown column, no rows, a bad value, missing files or an image twice.
    """
    given = config["input"]["path"]
    if given is None:
        raise ConfigError("input.path", "is not set", "name the manifest, a TSV")
    path = absolute(given, base)
    if not path.is_file():
        raise ConfigError("input.path", f"{path} is not a file", "name the manifest, a TSV")
    table = _read(path)
    _check_files(path, table)
    folders = Folders()
    copies = base / os.path.normpath(config["results"]) / "inputs" / "s3"
    rows = zip(table.index, table.to_dict("records"), strict=True)
    found = [_candidate(path, line, row, folders, copies) for line, row in rows]
    if len({candidate.split is None for candidate in found}) > 1:
        raise InputError(path, "gives a split for some rows only", "fill the column, or leave it out")
    return found


def _read(path: Path) -> pd.DataFrame:
    table = read_text(path).rename(columns=ALIASES)
    unknown = [name for name in table.columns if name not in COLUMNS]
    if unknown:
        raise InputError(
            path,
            f"has the unknown column(s) {shortlist(unknown)}",
            f"use tab-separated columns of these: {', '.join(COLUMNS)}",
        )
    if table.columns.duplicated().any():
        name = table.columns[table.columns.duplicated()][0]
        raise InputError(path, f"has the column {name} twice", "keep one of them")
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise InputError(path, f"lacks the column(s) {', '.join(missing)}", "add them, separated by tabs")
    if table.empty:
        raise InputError(path, "has no rows", "add one row per run")
    for name in REQUIRED:
        if table[name].isna().any():
            line = table[name].isna().idxmax()
            raise InputError(path, f"has no {name} in line {line}", "fill it, or remove the row")
    columns = [name for name in PATHS if name in table.columns]
    table[columns] = table[columns].map(lambda given: str(absolute(given, path.parent)), na_action="ignore")
    return table.astype(object).where(table.notna(), None)


def _check_files(manifest: Path, table: pd.DataFrame) -> None:
    path, number = Counter(table["bold"]).most_common(1)[0]
    if number > 1:
        lines = ", ".join(str(line) for line in table.index[table["bold"] == path])
        problem = f"names the image {remote.address(path)} in lines {lines}"
        raise InputError(manifest, problem, "keep one of them")
    named = [Path(path) for name in PATHS if name in table for path in table[name] if path]
    remote.look_up([*named, *map(_sidecar, map(Path, table["bold"]))])
    missing = [remote.address(path) for path in dict.fromkeys(named) if not remote.exists(path)]
    if missing:
        raise InputError(
            manifest,
            f"names {len(missing)} file(s) that do not exist: {shortlist(missing)}",
            "check the paths; relative ones start from the manifest's folder",
        )


def _candidate(
    manifest: Path, line: int, row: Mapping[Hashable, Any], folders: Folders, copies: Path
) -> Candidate:
    bold = Path(str(row["bold"]))
    paths = {name: Path(given) if (given := row.get(name)) else None for name in PATHS[1:]}
    for name in ("events", "confounds"):
        if (table := paths[name]) and remote.is_remote(table):
            paths[name] = remote.fetch(table, copies)
    return Candidate(
        entities={
            key: _label(manifest, line, name, row[name]) for name, key in LABELS.items() if row.get(name)
        },
        bold=bold,
        mask=paths["mask"],
        events_file=paths["events"],
        confounds=paths["confounds"],
        sidecars=tuple(
            _remote_sidecar(bold, copies) if remote.is_remote(bold) else describing(bold, folders)
        ),
        tr=_tr(manifest, line, row.get("tr")),
        split=_split(manifest, line, row.get("split")),
    )


def _remote_sidecar(bold: Path, copies: Path) -> list[Path]:
    """The JSON file of the image's name; there is no inheritance on S3."""
    sidecar = _sidecar(bold)
    return [remote.fetch(sidecar, copies)] if remote.exists(sidecar) else []


def _sidecar(bold: Path) -> Path:
    return bold.with_name(f"{stem(bold)}.json")


def _label(manifest: Path, line: int, name: str, given: str | None) -> str:
    label = str(given).removeprefix(f"{LABELS[name]}-")
    if not LABEL.fullmatch(label):
        raise InputError(
            manifest, f"has the {name} '{given}' in line {line}", "use letters and digits only, as BIDS does"
        )
    return label


def _tr(manifest: Path, line: int, given: str | None) -> float | None:
    if given is None:
        return None
    try:
        return plausible(float(given), f"{manifest}, line {line}")
    except ValueError as error:
        raise InputError(
            manifest, f"has the tr '{given}' in line {line}", "give seconds as a number"
        ) from error


def _split(manifest: Path, line: int, given: str | None) -> str | None:
    if given is not None and given not in SPLITS:
        raise InputError(manifest, f"has the split '{given}' in line {line}", f"use {' or '.join(SPLITS)}")
    return given
