"""How alike two dictionaries are, atom by atom."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from dca.compare.pcc import standardise


def match_atoms(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair the atoms of two dictionaries one to one, so that the sum of |correlations| is largest.

    By the Hungarian method (`scipy.optimize.linear_sum_assignment`). Signs do not matter.

    Parameters
    ----------
    first, second : ndarray, shape (L, K)

    Returns
    -------
    partner : ndarray, int, shape (K,)
        Column of `second` for every column of `first`.
    correlation : ndarray, float64, shape (K,)
        Their absolute Pearson correlation; 0 for atoms without variation.
    """
    likeness = np.abs(standardise(first).T @ standardise(second))
    rows, partner = linear_sum_assignment(likeness, maximize=True)
    return partner, np.minimum(likeness[rows, partner], 1)
