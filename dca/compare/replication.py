"""Replication: the same atom of a group dictionary in subjects on which it was not chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from dca.compare.others import grid_name, is_common
from dca.compare.pcc import correlate
from dca.compare.space import spatial_correlations
from dca.decompose.result import read_coefficients, read_dictionary
from dca.files import read_tsv, write_tsv
from dca.signals import Shard

COLUMNS = {
    "run_id": "Held-out run",
    "subject": "Subject label",
    "split": "validation: neither model nor dictionary saw this subject, nor was the atom chosen on it",
    "setup": "raw-group or dca-group",
    "event": "Event type",
    "atom": "Column of the dictionary (from 0) with the largest |mean correlation| with the event over "
    "training runs",
    "sign": "1 or -1: sign of that mean",
    "pcc": "Pearson correlation of the atom's time course in this run, times sign, with the event. "
    "Descriptive where all runs share one order: the dictionary knows it",
    "map_r": "Pearson correlation over voxels of the atom's map in this run with its mean map over training "
    "runs; n/a if these are not on the same grid of a template",
    "map_r_others": "Mean over all other atoms: their maps in this run with the same mean map",
    "map_rank": "Rank of map_r among all atoms; 1: no other atom is more like it",
    "training_runs": "Training runs behind the mean map",
}


class GroupRun(NamedTuple):
    """One run coded in a group dictionary.

    Attributes
    ----------
    run_id, subject, split : str
    events : sequence of str
    shard, design : path
        Its shard, and ``design.tsv`` of its GLM.
    folder : path
        From `dca.decompose.code_run`.
    """

    run_id: str
    subject: str
    split: str
    events: Sequence[str]
    shard: str | Path
    design: str | Path
    folder: str | Path


def replicate(runs: Mapping[str, Sequence[GroupRun]], out: str | Path) -> pd.DataFrame:
    """Choose an atom for every event on training runs, and look at it in held-out ones.

    Parameters
    ----------
    runs : mapping of str to sequence of GroupRun
        By setup.
    out : path
        Table, with its column descriptions beside it.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; no rows without held-out runs.

    Raises
    ------
    InputError, ShardError
        If files of a run cannot be read or do not fit together.
    """
    rows = [row for setup, members in runs.items() for row in _replicate(setup, members)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tsv(out, table, COLUMNS)
    return table


def _replicate(setup: str, runs: Sequence[GroupRun]) -> list[dict[str, Any]]:
    training = [run for run in runs if run.split == "train"]
    chosen = _choose(training)
    maps = _mean_maps(training, chosen)
    rows = []
    for run in (run for run in runs if run.split != "train"):
        courses, coefficients, place, voxel = _read(run)
        design = read_tsv(run.design)
        for event in (event for event in run.events if event in chosen):
            atom, sign = chosen[event]
            course = correlate(courses[:, [atom]], design[[event]].to_numpy(float))
            total, count = maps.get((place, event), (None, 0))
            likeness = None if total is None else spatial_correlations(coefficients, total[voxel] / count)
            rows.append(
                {
                    "run_id": run.run_id,
                    "subject": run.subject,
                    "split": run.split,
                    "setup": setup,
                    "event": event,
                    "atom": atom,
                    "sign": sign,
                    "pcc": sign * float(course[0, 0]),
                    **_alike(likeness, atom),
                    "training_runs": count,
                }
            )
    return rows


def _read(run: GroupRun) -> tuple[np.ndarray, sparse.csr_array, str, np.ndarray]:
    """Time courses, coefficients, name of the grid, and the voxels of a run."""
    with Shard(run.shard) as shard:
        courses = read_dictionary(run.folder, shard.length)
        coefficients = read_coefficients(run.folder, (courses.shape[1], shard.n_voxels))
        return courses, coefficients, grid_name(shard.space, shard.shape, shard.affine), shard.voxel


def _choose(training: Sequence[GroupRun]) -> dict[str, tuple[int, int]]:
    """Event → atom with the largest |mean correlation| over training runs, and its sign."""
    sums: dict[str, np.ndarray] = {}
    for run in training:
        courses, _, _, _ = _read(run)
        found = correlate(courses, read_tsv(run.design)[list(run.events)].to_numpy(float))
        for event, row in zip(run.events, found, strict=True):
            sums[event] = sums.get(event, np.zeros(len(row))) + row
    best = {event: int(np.abs(row).argmax()) for event, row in sums.items()}
    return {event: (atom, -1 if sums[event][atom] < 0 else 1) for event, atom in best.items()}


def _mean_maps(
    training: Sequence[GroupRun], chosen: Mapping[str, tuple[int, int]]
) -> dict[tuple[str, str], tuple[np.ndarray, int]]:
    """Sum of each chosen atom's map, by grid of a template and event, and the number of runs."""
    sums: dict[tuple[str, str], tuple[np.ndarray, int]] = {}
    for run in training:
        with Shard(run.shard) as shard:
            size, space = int(np.prod(shard.shape)), shard.space
        if not is_common(space):
            continue
        _, coefficients, place, voxel = _read(run)
        for event, (atom, _) in chosen.items():
            total, count = sums.get((place, event), (np.zeros(size), 0))
            total[voxel] += coefficients[[atom]].toarray()[0]
            sums[place, event] = total, count + 1
    return sums


def _alike(likeness: np.ndarray | None, atom: int) -> dict[str, float]:
    if likeness is None:
        return dict.fromkeys(("map_r", "map_r_others", "map_rank"), np.nan)
    others = np.delete(likeness, atom)
    rank = 1 + int((others > likeness[atom]).sum())
    return {"map_r": float(likeness[atom]), "map_r_others": float(others.mean()), "map_rank": rank}
