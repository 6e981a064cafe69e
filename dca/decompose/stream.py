"""Columns of many runs in mini-batches, in random order and bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dca.decompose.columns import Columns, Scaling, normalise, open_source, subtract_column
from dca.errors import ShardError
from dca.features import Features

BLOCK = 256  # rows that are read at once
CHUNK = 64  # blocks that are learnt from at once: 19 MB of series of 284 points


class ColumnStream:
    """Normalised columns of several runs, an equal number of rows of each.

    Rows of a shard are in random order, so its first rows are a random sample.

    Parameters
    ----------
    sources : sequence of path
        Shards, or files of features, of one length.
    setup : str
        ``raw`` or ``dca``.
    normalise : str
        ``unit`` or ``zscore``.
    columns : int or None
        Largest number of columns of all runs together; None for all rows.
    seed : int
        Of the order.

    Attributes
    ----------
    length : int
        L, of a column.
    rows : list of int
        Rows used of every run.
    origin : set of str
        Checksums of the models that made the features; empty for signals.

    Raises
    ------
    ShardError
        If the runs differ in length, or cannot be read.
    """

    def __init__(
        self, sources: Sequence[str | Path], setup: str, normalise: str, columns: int | None, seed: int
    ) -> None:
        self.sources, self._setup, self._normalise, self._seed = list(sources), setup, normalise, seed
        share = math.ceil(columns / len(sources)) if columns else None
        self.rows: list[int] = []
        self.origin: set[str] = set()
        lengths = []
        for path in self.sources:
            with open_source(path, setup) as source:
                self.rows.append(source.n_voxels if share is None else min(share, source.n_voxels))
                if isinstance(source, Features):
                    self.origin.add(source.model_sha256)
                lengths.append(source.hidden if isinstance(source, Features) else source.length)
            if lengths[-1] != lengths[0]:
                problem = f"has columns of length {lengths[-1]}, {self.sources[0]} of {lengths[0]}"
                raise ShardError(path, problem, "set signals.length: crop, or decompose.level: run")
        self.length = lengths[0]
        self._mean: np.ndarray | None = None

    def centre(self, rows: int = 4096) -> np.ndarray:
        """Take the mean over voxels out of all columns from now on, and return it, float32, shape (L,).

        It is estimated from the first `rows` rows of every run, each run counting the same.
        """
        means = []
        for path, count in zip(self.sources, self.rows, strict=True):
            with open_source(path, self._setup) as source:
                means.append(source.read(0, min(rows, count)).mean(axis=0, dtype=np.float64))
        self._mean = np.mean(means, axis=0).astype(np.float32)
        return self._mean

    def chunks(self, passes: float) -> Iterator[tuple[np.ndarray, Scaling]]:
        """Go through all columns so many times, in random order.

        Yields
        ------
        ndarray, float32, shape (n, L), and Scaling
                At most ``BLOCK * CHUNK`` rows, from places drawn over all runs.
        """
        places = [(run, start) for run, rows in enumerate(self.rows) for start in range(0, rows, BLOCK)]
        rng = np.random.default_rng(self._seed)
        left = math.ceil(passes * len(places))
        while left > 0:  # chunks end with a pass, so that none has a column twice
            order = rng.permutation(len(places))[:left]
            left -= len(order)
            for start in range(0, len(order), CHUNK):
                yield self._read([places[i] for i in order[start : start + CHUNK]])

    def chunk_count(self, passes: float) -> int:
        """How many chunks `chunks` gives."""
        blocks = sum(math.ceil(rows / BLOCK) for rows in self.rows)
        whole, rest = divmod(math.ceil(passes * blocks), blocks)
        return whole * math.ceil(blocks / CHUNK) + math.ceil(rest / CHUNK)

    def _read(self, places: list[tuple[int, int]]) -> tuple[np.ndarray, Scaling]:
        blocks = []
        for run in sorted({run for run, _ in places}):
            with open_source(self.sources[run], self._setup) as source:
                starts = sorted(start for number, start in places if number == run)
                blocks += [source.read(start, min(start + BLOCK, self.rows[run])) for start in starts]
        matrix = np.concatenate(blocks)
        if not np.isfinite(matrix).all():
            names = ", ".join(sorted({str(self.sources[run]) for run, _ in places}))
            raise ShardError(names, "has values that are not finite", "repeat the step that wrote it")
        columns = Columns(matrix, "group", Path(self.sources[0]))
        if self._mean is not None:
            subtract_column(columns, self._mean)
        return matrix, normalise(columns, self._normalise)
