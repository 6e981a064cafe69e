"""Adds the rows that the table lacks, one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scaling.rows import machine

from . import tables
from .decompositions import decompose
from .locks import locked
from .real import SCENARIO, RealRun
from .score import score
from .setups import MODELS, SETUPS, VARIANTS, Setup, needs_others
from .study import Key, Model, Size, Study


def add_missing(
    keys: Iterable[Key],
    names: Sequence[str],
    out: Path,
    size: Size,
    work: Path,
    *,
    until: float = float("inf"),
    keep: bool = False,
    setups: Mapping[str, Setup] = {**SETUPS, **VARIANTS},
    models: Mapping[str, Model] = MODELS,
) -> None:
    """Go through studies and setups; each row is written as soon as it is there.

    Several processes may do so with one table: a study that another one is at is passed over.

    Parameters
    ----------
    keys : iterable of Key
    names : sequence of str
        Of the setups.
    out : Path
        The table.
    size : Size
    work : Path
        For the folders of studies.
    until : float
        Of `time.monotonic`: no row is begun later.
    keep : bool
        Keep the folder of a study that has all its rows.
    setups, models : mapping
    """
    revision = machine()["revision"]
    for key in keys:
        if time.monotonic() > until:
            return
        possible = [
            name for name in names if key.scenario != SCENARIO or not needs_others(setups[name], models)
        ]
        if not tables.missing(tables.read(out), key, possible):
            continue
        with locked(work / f".{key.name}.lock", wait=False) as ours:
            if not ours:
                print(f"{key.name}: passed over, another process is at it", flush=True)
                continue
            # Read anew: another process may just have ended.
            wanted = tables.missing(tables.read(out), key, possible)
            kind = RealRun if key.scenario == SCENARIO else Study
            study = kind(key, size, work, revision) if wanted else None
            for name in wanted:
                if time.monotonic() > until:
                    return
                _add_row(study, name, setups[name], models, out)
            if study is not None and not keep:
                study.remove()


def _add_row(study: Study, name: str, setup: Setup, models: Mapping[str, Model], out: Path) -> None:
    """Decompose, score, and write down."""
    key, found = study.key, decompose(study, setup, models)
    row = {
        **{"scenario": key.scenario, "activation": key.activation, "seed": key.seed, "setup": name},
        "subjects": len(found),
        "atoms": found[0].dictionary.shape[1],
        "lambda": None if setup.columns in ("canica", "dictlearning") else setup.lam,
        **score(study, found),
        "revision": study.revision,
    }
    tables.add(out, row)
    print(f"{key.name}: {name}: " + ", ".join(f"{m} {row[m]:.3f}" for m in tables.MEASURES), flush=True)
