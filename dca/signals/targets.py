"""What runs of one design share: at every voxel, the mean series of the other subjects' runs.

Noise, artefacts and spontaneous activity of a run are not those of another; what can be foretold of other
subjects from the series of one is what all respond with (Hasson et al. 2004, doi:10.1126/science.1089506). A
network that is trained towards it removes noise without clean data (Lehtinen et al. 2018, "Noise2Noise",
arXiv:1803.04189).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from dca.errors import TrainingError
from dca.inputs.events import read_events
from dca.signals.shard import Shard, Storage, write_shard

log = logging.getLogger(__name__)


def write_targets(
    training: Mapping[str | Path, str | Path],
    held_out: Mapping[str | Path, str | Path],
    folder: str | Path,
    storage: Storage = "float32",
) -> None:
    """Write, for every row of every run, the mean series of the other subjects' training runs at its voxel.

    Only runs of one design are averaged: the same events in the same order, within half a volume. What is
    of the same subject has no part in it, be it another run or another echo of the same scan. In memory
    are the sum over a design and that over a subject, each of the size of a run.

    Parameters
    ----------
    training, held_out : mapping of path to path
        Shard → events of its run; in one space and on one grid of a template.
    folder : path
        For every shard one of the same name, row by row, with the targets for signals. Rows whose voxel no
        other subject has get the target 0: nothing is known to be shared.
    storage : {"float32", "float16"}
        As of the shards.

    Raises
    ------
    TrainingError
        If runs lie on different grids, or no other training subject has the design of one.
    EventsError, ShardError
        If a file cannot be read.
    """
    shards = [Path(path) for path in (*training, *held_out)]
    subjects = _check_grids(shards)
    designs = _number_designs(shards, [*training.values(), *held_out.values()])
    members = list(zip(shards, subjects, designs, strict=True))[: len(training)]
    for path, subject, design in zip(shards, subjects, designs, strict=True):
        if not any(own == design and other != subject for _, other, own in members):
            with Shard(path) as shard:
                problem = f"is `others`, but no other training subject has the events of {shard.run_id}"
            remedy = "leave the run out (input.exclude), or set train.target: own"
            raise TrainingError("train.target", problem, remedy)
    with tqdm(total=len(shards), desc="targets", unit="run") as progress:
        for design in sorted(set(designs)):
            added = {path: subject for path, subject, own in members if own == design}
            total = _add_up(list(added))
            for subject in sorted({s for s, own in zip(subjects, designs, strict=True) if own == design}):
                own = [path for path, other in added.items() if other == subject]
                others = [path for path, other in added.items() if other != subject]
                subtotal, source = _add_up(own) if own else None, _digest(others)
                for path, other, number in zip(shards, subjects, designs, strict=True):
                    if (other, number) == (subject, design):
                        _write_target(path, total, subtotal, source, Path(folder, path.name), storage)
                        progress.update()
            del total  # before the next one is made


class _Sums(NamedTuple):
    """Of some runs."""

    place: np.ndarray  # row below of every voxel of the grid, -1 where no run has it
    runs: np.ndarray  # how many have the voxel, (U,)
    total: np.ndarray  # of their series, float32, (U, T)


def _number_designs(shards: Sequence[Path], events: Sequence[str | Path]) -> list[int]:
    """Give runs of one design the same number, from 0 in order of appearance.

    Of a run that was cropped only the events count that are in it.
    """
    seen: list[pd.DataFrame] = []
    numbers = []
    for path, table in zip(shards, events, strict=True):
        with Shard(path) as shard:
            whole, tr, end = read_events(table, np.inf), shard.tr, shard.length * shard.tr
        own = whole[whole["onset"] < end]
        same = (i for i, other in enumerate(seen) if _same_design(own, other, tr / 2))
        number = next(same, len(seen))
        if number == len(seen):
            seen.append(own)
        numbers.append(number)
    return numbers


def _same_design(one: pd.DataFrame, other: pd.DataFrame, tolerance_s: float) -> bool:
    times = ["onset", "duration"]
    return one["trial_type"].tolist() == other["trial_type"].tolist() and bool(
        np.allclose(one[times], other[times], rtol=0, atol=tolerance_s)
    )


def _check_grids(shards: Sequence[Path]) -> list[str]:
    """Check that voxels correspond, and give the subject of each run."""
    first: Shard | None = None
    subjects = []
    for path in shards:
        with Shard(path) as shard:
            subjects.append(shard.subject)
            if first is None:
                first = shard
            same = (shard.space, shard.shape) == (first.space, first.shape)
            if not same or not np.allclose(shard.affine, first.affine, atol=1e-3):
                problem = f"is `others`, but {shard.run_id} and {first.run_id} lie on different grids"
                remedy = "bring all runs into one space (preprocess.registration), or set train.target: own"
                raise TrainingError("train.target", problem, remedy)
    return subjects


def _digest(shards: Sequence[Path]) -> str:
    """SHA-256 over what is averaged."""
    digest = hashlib.sha256()
    for path in shards:
        with Shard(path) as shard:
            digest.update(f"{shard.run_id} {shard.attributes['source_sha256']}\n".encode())
    return digest.hexdigest()


def _add_up(shards: Sequence[Path]) -> _Sums:
    runs = np.zeros(0, np.int32)
    for path in shards:
        with Shard(path) as shard:
            if not len(runs):
                runs, length = np.zeros(int(np.prod(shard.shape)), np.int32), shard.length
            runs[shard.voxel] += 1
    voxel = np.flatnonzero(runs)
    place = np.full(len(runs), -1, np.int64)
    place[voxel] = np.arange(len(voxel))
    total = np.zeros((len(voxel), length), np.float32)
    for path in shards:
        with Shard(path) as shard:
            rows = place[shard.voxel]
            for start, block in shard.blocks():
                total[rows[start : start + len(block)]] += block
    return _Sums(place, runs[voxel], total)


def _write_target(
    path: Path, total: _Sums, subtotal: _Sums | None, source: str, out: Path, storage: Storage
) -> None:
    with Shard(path) as own:
        rows = total.place[own.voxel]
        others = np.where(rows >= 0, total.runs[rows], 0)
        if subtotal is not None:
            mine = subtotal.place[own.voxel]
            others -= np.where(mine >= 0, subtotal.runs[mine], 0)
        if alone := int((others == 0).sum()):
            told = "%s: %d of %d voxels are of no other subject: their target is 0"
            log.warning(told, own.run_id, alone, len(rows))
        kept = {name: value for name, value in own.attributes.items() if name != "schema"}
        write_shard(
            out,
            _means(own, others, total, subtotal),
            length=own.length,
            voxel=own.voxel,
            mean=own.mean,
            std=own.std,
            attributes=kept | {"source": "other subjects", "source_sha256": source},
            storage=storage,
        )


def _means(
    own: Shard, others: np.ndarray, total: _Sums, subtotal: _Sums | None, rows: int = 4096
) -> Iterable[np.ndarray]:
    for start in range(0, own.n_voxels, rows):
        voxel, count = own.voxel[start : start + rows], others[start : start + rows, None]
        rest = total.total[total.place[voxel]]
        if subtotal is not None:
            mine = subtotal.place[voxel]
            rest = rest - np.where(mine[:, None] >= 0, subtotal.total[mine], np.float32(0))
        yield np.divide(rest, count, out=np.zeros_like(rest), where=count > 0)
