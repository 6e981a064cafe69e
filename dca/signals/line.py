"""The straight line that extraction takes out of every series, for designs that must lose it too."""

from __future__ import annotations

import numpy as np


def centred_times(length: int) -> np.ndarray:
    """Volumes 0 to `length` - 1 less their mean, float64."""
    return np.arange(length) - (length - 1) / 2


def without_line(columns: np.ndarray) -> np.ndarray:
    """Take the line of least squares, but not the mean, out of every column.

    Parameters
    ----------
    columns : ndarray, shape (T, K)
        Over the volumes of a shard.

    Returns
    -------
    ndarray, float64, shape (T, K)
    """
    times = centred_times(len(columns))
    return columns - np.outer(times, times @ columns) / (times @ times)
