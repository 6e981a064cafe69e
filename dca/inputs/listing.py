"""The run table on disk, written anew only where the inputs changed."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dca.errors import InputError
from dca.files import checksum, read_json, write_json
from dca.inputs import remote
from dca.inputs.candidate import Candidate
from dca.inputs.frozen import frozen_card
from dca.inputs.index import find_candidates, inspect_all, make_runs
from dca.inputs.inspection import Facts
from dca.inputs.run import Run, read_runs, write_runs
from dca.inputs.select import exclude

log = logging.getLogger(__name__)

VERSION = 2  # of what is checked and recorded; a new one has every run inspected again


def refresh(config: dict[str, Any], base: str | Path, results: str | Path) -> list[Run]:
    """Bring ``inputs.tsv`` up to date with the inputs, and read it.

    Beside it, ``inputs.listing`` records path, size and time of change of every file that the
    table depends on. Runs whose files are as recorded are not inspected again, and a table that
    would not change is not written, so that its own time of change stays.

    Parameters
    ----------
    config : dict
        All settings.
    base : path
        Folder that relative paths start from.
    results : path
        Folder of the table.

    Raises
    ------
    ConfigError, InputError, ImageError, EventsError
        As :func:`dca.inputs.list_runs`; the table stays as it was then.
    OutputError
        If the results folder cannot be written.
    """
    table = Path(results, "inputs.tsv")
    found = find_candidates(config, base)
    kept = exclude(found, config)
    stamps = {run_id: _stamp(candidate) for run_id, candidate in found.items()}
    old = _recorded(table)
    card = frozen_card(config, results)
    trained_on = [] if card is None else [card["trained_on"]]
    settings = _digest([VERSION, config["seed"], *(config[key] for key in ("input", "signals")), *trained_on])
    if old and old["settings"] == settings and old["runs"] == stamps:
        return read_runs(table)
    known = _known(table, old["runs"], stamps) if old else {}
    log.info("inputs: %d runs, %d to inspect", len(kept), len(set(kept) - set(known)))
    runs = make_runs(config, found, inspect_all(config, kept, found, known), *trained_on)
    if not _holds(table, runs):
        write_runs(table, runs)
    record = {"version": VERSION, "settings": settings, "table": checksum(table), "runs": stamps}
    write_json(table.with_suffix(".listing"), record)
    return runs


def _stamp(candidate: Candidate) -> str:
    """Hash of what is recorded about a run's files, their contents by size and time of change."""
    events = candidate.evs or [candidate.events_file]
    paths = [candidate.bold, candidate.mask, *events, candidate.confounds]
    paths += candidate.sidecars or ()
    # The demo's files come later; others that are missing are refused when opened.
    files = [[str(path), *remote.state(path)] if path else None for path in paths]
    # Events that are written lie in the study's own folder, which may have been moved or copied.
    written = [str(candidate.events_file)] if candidate.evs else []
    return _digest([dict(candidate.entities), candidate.tr, candidate.split, files, *written])


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _recorded(table: Path) -> dict[str, Any] | None:
    """Return the record, if it belongs to the table that is there."""
    try:
        record = read_json(table.with_suffix(".listing"))
        intact = record["version"] == VERSION and record["table"] == checksum(table)
        return record if intact and {"settings", "runs"} <= record.keys() else None
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return None  # none yet, or damaged: everything is inspected


def _known(table: Path, old: Mapping[str, str], stamps: Mapping[str, str]) -> dict[str, Facts]:
    """Facts of the runs whose files are as recorded."""
    return {
        run.run_id: Facts(run.tr, run.volumes, run.events)
        for run in read_runs(table)
        if old.get(run.run_id) == stamps.get(run.run_id, "gone")
    }


def _holds(table: Path, runs: list[Run]) -> bool:
    try:
        return read_runs(table) == runs
    except (InputError, OSError):  # none yet, of another version, or no folder to hold it
        return False
