"""The columns that a dictionary is learnt on: every voxel's signal or features, centred and scaled."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dca.decompose.settings import NORMALISATIONS
from dca.errors import ShardError
from dca.features import Features
from dca.signals import Shard

ROUNDING = 1e-6  # relative size below which float32 values hold no information


class Columns(NamedTuple):
    """The series of all voxels of a run, one per row in memory.

    Row-major N×L is at once the column-major L×N that SPAMS works on, without a copy.

    Attributes
    ----------
    matrix : ndarray, float32, shape (N, L)
        L is the number of time points, or of hidden units.
    run_id : str
    source : Path
        Where they come from.
    """

    matrix: np.ndarray
    run_id: str
    source: Path


class Scaling(NamedTuple):
    """What normalisation took out of the columns.

    Attributes
    ----------
    usable : ndarray, bool, shape (N,)
        False for columns without variation, which are zero.
    typical_norm : float
        Median norm of the usable columns before they were scaled.
    """

    usable: np.ndarray
    typical_norm: float


def open_source(path: str | Path, setup: str) -> Shard | Features:
    """Open what a setup decomposes: features for ``dca``, else the shard."""
    return Features(path) if setup == "dca" else Shard(path)


def read_columns(source: Shard | Features) -> Columns:
    """Read all rows of a shard or of a feature file.

    Raises
    ------
    ShardError
        If rows cannot be read or hold values that are not finite.
    """
    length = source.length if isinstance(source, Shard) else source.hidden
    matrix = np.empty((source.n_voxels, length), np.float32)
    for start, block in source.blocks():
        if not np.isfinite(block).all():
            problem = f"has values that are not finite in rows {start} to {start + len(block)}"
            raise ShardError(source.path, problem, "delete it and repeat the step that wrote it")
        matrix[start : start + len(block)] = block
    return Columns(matrix, source.run_id, source.path)


def remove_mean_column(columns: Columns) -> np.ndarray:
    """Subtract, in place, the mean over voxels, and return it.

    Features share an offset (the biases) that is no network, yet would be the strongest atom.

    Returns
    -------
    ndarray, float32, shape (L,)
    """
    mean = columns.matrix.mean(axis=0, dtype=np.float64).astype(np.float32)
    subtract_column(columns, mean)
    return mean


def subtract_column(columns: Columns, mean: np.ndarray) -> None:
    """Subtract, in place, one column, float32, shape (L,), from all."""
    columns.matrix[...] -= mean
    # Voxels that all have one code differ by rounding only, which must not count as variation.
    flat = np.abs(columns.matrix).max(axis=1) <= ROUNDING * np.abs(mean).max()
    columns.matrix[flat] = 0


def normalise(columns: Columns, how: str, rows: int = 8192) -> Scaling:
    """Bring every column to one scale, in place: the scale that λ refers to.

    Parameters
    ----------
    columns : Columns
    how : str
        ``unit``: Euclidean norm 1. ``zscore``: mean 0 and standard deviation 1, hence norm √L.
    rows : int
        Voxels at a time.

    Raises
    ------
    ShardError
        If no column varies.
    """
    if how not in NORMALISATIONS:
        raise ValueError(f"how must be one of {NORMALISATIONS}. Received: {how}")
    count, length = columns.matrix.shape
    norms = np.empty(count)
    target = 1.0 if how == "unit" else np.sqrt(length)
    for start in range(0, count, rows):
        block = columns.matrix[start : start + rows]
        exact = block.astype(np.float64)
        # What rounding leaves of a constant column must not be blown up to full size.
        floor = ROUNDING * np.abs(exact).max(axis=1) * np.sqrt(length)
        if how == "zscore":
            exact -= exact.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(exact, axis=1)
        norm[norm <= floor] = 0
        exact *= np.divide(target, norm, out=np.zeros_like(norm), where=norm > 0)[:, None]
        block[...] = exact
        norms[start : start + rows] = norm
    usable = norms > 0
    if not usable.any():
        raise ShardError(columns.source, "has no voxel that varies", "check the image and its mask")
    return Scaling(usable, float(np.median(norms[usable])))
