"""Rows to learn from: a run's series and, beside each, what the network is to make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dca.errors import ShardError
from dca.signals import Shard

Rows = NDArray[np.float32]


class Pairs:
    """Rows of a shard with their targets; where there are none, the target is the series itself.

    Parameters
    ----------
    path : path
        A shard.
    target : path, optional
        The shard of targets, row by row.

    Attributes
    ----------
    length : int
        T.
    width : int
        Of a row that is read: T, or 2T with targets.

    Raises
    ------
    ShardError
        If a file cannot be read, or they do not go together.
    """

    def __init__(self, path: str | Path, target: str | Path | None = None) -> None:
        self._shard = Shard(path)
        self._target: Shard | None = None
        self.length = self.width = self._shard.length
        if target is None:
            return
        try:
            self._target = Shard(target)
            self._check(target)
        except BaseException:
            self.close()
            raise
        self.width = 2 * self.length

    def _check(self, target: str | Path) -> None:
        own, other = self._shard, self._target
        assert other is not None
        if (own.run_id, own.n_voxels, own.length) != (other.run_id, other.n_voxels, other.length):
            problem = f"is not of the rows of {own.path}"
            raise ShardError(target, problem, "delete it and run `train` again")

    def read(self, start: int, stop: int) -> Rows:
        """Rows, float32, shape (rows, width): series, and targets behind them."""
        rows = self._shard.read(start, stop)
        return rows if self._target is None else np.hstack([rows, self._target.read(start, stop)])

    def close(self) -> None:
        """Close the files."""
        self._shard.close()
        if self._target is not None:
            self._target.close()
