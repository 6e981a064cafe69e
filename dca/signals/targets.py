"""What runs of one design share: at every voxel, the mean series of the other runs.

Noise, artefacts and spontaneous activity of a run are not those of another; what can be foretold of other
subjects from the series of one is what all respond with (Hasson et al. 2004, doi:10.1126/science.1089506). A
network that is trained towards it removes noise without clean data (Lehtinen et al. 2018, "Noise2Noise",
arXiv:1803.04189).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from dca.errors import TrainingError
from dca.inputs.events import read_events
from dca.signals.shard import Shard, write_shard

log = logging.getLogger(__name__)


def write_targets(
    training: Mapping[str | Path, str | Path], held_out: Mapping[str | Path, str | Path], folder: str | Path
) -> None:
    """Write, for every row of every run, the mean series of the other training runs at its voxel.

    Only runs of one design are averaged: the same events in the same order, within half a volume. One sum
    of series is in memory at a time, which has the size of a run.

    Parameters
    ----------
    training, held_out : mapping of path to path
        Shard → events of its run; on one grid of a template.
    folder : path
        For every shard one of the same name, row by row, with the targets for signals. Rows whose voxel is
        in no other run have the target 0: nothing is known to be shared.

    Raises
    ------
    TrainingError
        If runs lie on different grids, or no other training run has the design of one.
    EventsError, ShardError
        If a file cannot be read.
    """
    shards = [Path(path) for path in (*training, *held_out)]
    _check_grids(shards)
    designs = _number_designs(shards, [*training.values(), *held_out.values()])
    added = Counter(designs[: len(training)])
    for i, (path, design) in enumerate(zip(shards, designs, strict=True)):
        if added[design] <= (i < len(training)):
            with Shard(path) as shard:
                problem = f"is `others`, but no other training run has the events of {shard.run_id}"
            remedy = "leave the run out (input.exclude), or set train.target: own"
            raise TrainingError("train.target", problem, remedy)
    with tqdm(total=len(shards), desc="targets", unit="run") as progress:
        for design in added:
            runs = [(path, i < len(training)) for i, path in enumerate(shards) if designs[i] == design]
            shared = _add_up([path for path, member in runs if member])
            for path, member in runs:
                _write_target(path, shared, member, Path(folder, path.name))
                progress.update()


class _Sums(NamedTuple):
    """Of the runs of one design."""

    place: np.ndarray  # row below of every voxel of the grid, -1 where no run has it
    runs: np.ndarray  # how many have the voxel, (U,)
    total: np.ndarray  # of their series, float32, (U, T)


def _number_designs(shards: Sequence[Path], events: Sequence[str | Path]) -> list[int]:
    """Give runs of one design the same number, from 0 in order of appearance."""
    seen: list[pd.DataFrame] = []
    numbers = []
    for path, table in zip(shards, events, strict=True):
        with Shard(path) as shard:
            own, tr = read_events(table, shard.length * shard.tr), shard.tr
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


def _check_grids(shards: Sequence[str | Path]) -> None:
    first: Shard | None = None
    for path in shards:
        with Shard(path) as shard:
            if first is None:
                first = shard
            elif shard.shape != first.shape or not np.allclose(shard.affine, first.affine, atol=1e-3):
                problem = f"is `others`, but {shard.run_id} and {first.run_id} lie on different grids"
                remedy = "bring all runs into one space (preprocess.registration), or set train.target: own"
                raise TrainingError("train.target", problem, remedy)


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


def _write_target(path: Path, shared: _Sums, member: bool, out: Path) -> None:
    with Shard(path) as own:
        rows = shared.place[own.voxel]
        others = np.where(rows >= 0, shared.runs[rows] - member, 0)
        if alone := int((others == 0).sum()):
            told = "%s: %d of %d voxels are in no other run: their target is 0"
            log.warning(told, own.run_id, alone, len(rows))
        write_shard(
            out,
            _means(own, rows, others, shared.total, member),
            length=own.length,
            voxel=own.voxel,
            mean=own.mean,
            std=own.std,
            attributes={name: value for name, value in own.attributes.items() if name != "schema"},
        )


def _means(
    own: Shard, rows: np.ndarray, others: np.ndarray, total: np.ndarray, member: bool
) -> Iterable[np.ndarray]:
    for start, block in own.blocks():
        part, count = rows[start : start + len(block)], others[start : start + len(block), None]
        rest = total[part] - block if member else total[part]
        yield np.divide(rest, count, out=np.zeros_like(block), where=count > 0)
