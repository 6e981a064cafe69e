"""Time courses of atoms in one run, by regressing its signals on the atoms' coefficients."""

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
    products = np.zeros((codes.shape[0], shard.length))
    by_voxel = codes.tocsc()
    for start, rows in shard.blocks():
        products += by_voxel[:, start : start + len(rows)] @ rows.astype(np.float64)
    used = np.flatnonzero(gram.diagonal() > 0)
    courses = np.zeros((shard.length, len(gram)))
    if used.size:
        inner = gram[np.ix_(used, used)]
        inner += RIDGE * np.trace(inner) / len(used) * np.eye(len(used))
        courses[:, used] = np.linalg.solve(inner, products[used]).T
    return courses
