"""Likeness of an atom's map and a GLM map."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from dca.compare.pcc import standardise

Z_THRESHOLD = 3.1  # one-sided p = 0.001


def spatial_correlation(atom_map: np.ndarray, z: np.ndarray) -> float:
    """Pearson correlation of two maps over voxels; 0 where one has no variance.

    Parameters
    ----------
    atom_map, z : ndarray, shape (N,)
    """
    return float(standardise(atom_map[:, None])[:, 0] @ standardise(z[:, None])[:, 0])


def spatial_correlations(coefficients: sparse.csr_array, z: np.ndarray) -> np.ndarray:
    """Pearson correlation over voxels of every atom's map with one map; 0 where one has no variance.

    Parameters
    ----------
    coefficients : csr_array, shape (K, N)
    z : ndarray, shape (N,)

    Returns
    -------
    ndarray, float64, shape (K,)
    """
    count = coefficients.shape[1]
    mean = np.asarray(coefficients.sum(axis=1, dtype=np.float64)).ravel() / count
    squares = np.asarray(coefficients.multiply(coefficients).sum(axis=1, dtype=np.float64)).ravel()
    norms = np.sqrt(np.maximum(squares - count * mean**2, 0))
    products = coefficients @ standardise(z[:, None])[:, 0]  # which has mean 0
    return np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)


def dice(atom_map: np.ndarray, z: np.ndarray, threshold: float = Z_THRESHOLD) -> float:
    """Overlap of the GLM's voxels above a threshold with as many of the atom's strongest ones.

    2 |A ∩ B| / (|A| + |B|), where A holds the n voxels with z above the threshold and B the n voxels
    with the largest positive values of the atom's map, or all its positive ones if it has fewer.

    Parameters
    ----------
    atom_map : ndarray, shape (N,)
        Signed such that the atom follows the event.
    z : ndarray, shape (N,)
    threshold : float

    Returns
    -------
    float
        0 to 1; NaN if no voxel passes the threshold.
    """
    active = z > threshold
    count = int(active.sum())
    if not count:
        return float("nan")
    # Stable, so that the choice among equal values does not depend on the sorting algorithm.
    strongest = np.argsort(-atom_map, kind="stable")[:count]
    strongest = strongest[atom_map[strongest] > 0]
    return 2 * int(active[strongest].sum()) / (count + len(strongest))
