"""Atoms in the signals of one run: time courses by regression, and what each of them explains."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from dca.signals import Shard

RIDGE = 1e-6  # of the mean diagonal: two atoms used by the same voxels alone share their course


def regress_courses(shard: Shard, coefficients: sparse.csr_array) -> np.ndarray:
    """Least-squares time courses C of the signals Y ≈ A'C', given the maps A of all atoms.

    The second step of a dual regression (Nickerson et al. 2017, Front. Neurosci. 11:115).

    Parameters
    ----------
    shard : Shard
        N×T.
    coefficients : csr_array, shape (K, N)
        Columns in the order of the shard's rows.

    Returns
    -------
    ndarray, float64, shape (T, K)
        0 for an atom without coefficients.
    """
    codes = coefficients.astype(np.float64)
    gram = (codes @ codes.T).toarray()
    products, _ = _through_maps(shard, codes)
    used = np.flatnonzero(gram.diagonal() > 0)
    courses = np.zeros((shard.length, len(gram)))
    if used.size:
        inner = gram[np.ix_(used, used)]
        inner += RIDGE * np.trace(inner) / len(used) * np.eye(len(used))
        courses[:, used] = np.linalg.solve(inner, products[used]).T
    return courses


def variance_explained(shard: Shard, courses: np.ndarray, coefficients: sparse.csr_array) -> np.ndarray:
    """Share of the variance of a run's signals that each atom explains by itself.

    Atom k, map a (1×N) times course c (T×1), is scaled as a whole by one factor s >= 0 that fits the signals
    Y (N×T, every row with mean 0) best: 1 - min ‖Y - s a'c'‖² / ‖Y‖² = (a Y c)² / (‖a‖² ‖c‖² ‖Y‖²).
    So neither the lasso's shrinkage nor the scale of features counts. Atoms share what they explain: the
    numbers do not add up to what all explain together.

    Parameters
    ----------
    shard : Shard
        N×T.
    courses : ndarray, shape (T, K)
        Their means are taken out.
    coefficients : csr_array, shape (K, N)
        Columns in the order of the shard's rows.

    Returns
    -------
    ndarray, float64, shape (K,)
        Between 0 and 1; 0 for an atom without coefficients or with a flat course, and for one whose course
        runs against its voxels.
    """
    codes = coefficients.astype(np.float64)
    products, total = _through_maps(shard, codes)
    centred = courses - courses.mean(axis=0)
    fit = np.maximum(np.einsum("kt,tk->k", products, centred), 0) ** 2
    sizes = codes.multiply(codes).sum(axis=1) * np.square(centred).sum(axis=0) * total
    return np.divide(fit, sizes, out=np.zeros(len(fit)), where=sizes > 0)


def _through_maps(shard: Shard, codes: sparse.csr_array) -> tuple[np.ndarray, float]:
    """Sums of the signals weighted by each atom's map, K×T, and the sum of the squared signals."""
    products, total = np.zeros((codes.shape[0], shard.length)), 0.0
    by_voxel = codes.tocsc()
    for start, rows in shard.blocks():
        signals = rows.astype(np.float64)
        products += by_voxel[:, start : start + len(rows)] @ signals
        total += float(np.vdot(signals, signals))
    return products, total
