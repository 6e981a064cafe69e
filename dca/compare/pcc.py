"""Pearson correlation (PCC) of dictionary atoms with the regressors of a design."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FLAT = 1e-10  # a column varies if its deviations exceed this share of its largest value


class BestAtoms(NamedTuple):
    """The atom that correlates best with each event, by absolute value.

    Attributes
    ----------
    atom : ndarray, int64, shape (E,)
        Column of the dictionary.
    sign : ndarray, int64, shape (E,)
        +1 or -1: what the atom is multiplied by to follow the event.
    pcc : ndarray, float64, shape (E,)
        The absolute correlation, 0 to 1.
    """

    atom: np.ndarray
    sign: np.ndarray
    pcc: np.ndarray


def standardise(columns: np.ndarray) -> np.ndarray:
    """Centre columns and scale them to unit norm; columns without variance become zero.

    Parameters
    ----------
    columns : ndarray, shape (T, C)

    Returns
    -------
    ndarray, float64, shape (T, C)
        So that the product of two such columns is their Pearson correlation.
    """
    columns = np.asarray(columns, dtype=np.float64)
    # Scaled to 1 first: squares of very small or large values would leave the range of floats.
    largest = np.abs(columns).max(axis=0, initial=0)
    columns = columns / np.where(largest > 0, largest, 1)
    columns -= columns.mean(axis=0)
    norms = np.linalg.norm(columns, axis=0)
    varies = norms > FLAT
    return np.where(varies, columns / np.where(varies, norms, 1), 0)


def correlate(dictionary: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Pearson correlation of every atom with every regressor.

    Parameters
    ----------
    dictionary : ndarray, shape (T, K)
        Time courses of K atoms.
    design : ndarray, shape (T, E)
        Regressors of E events, filtered as the data.

    Returns
    -------
    ndarray, float64, shape (E, K)
        Between -1 and 1; 0 where either has no variance.

    Raises
    ------
    ValueError
        If they differ in length.
    """
    if len(dictionary) != len(design):
        raise ValueError(f"time points must agree. Received: {len(dictionary)} and {len(design)}")
    return np.clip(standardise(design).T @ standardise(dictionary), -1, 1)


def best_atoms(correlations: np.ndarray) -> BestAtoms:
    """Choose, for each event, the atom with the largest absolute correlation.

    Parameters
    ----------
    correlations : ndarray, shape (E, K)
        From `correlate`.

    Returns
    -------
    BestAtoms
        The first atom wins a tie; a correlation of 0 has sign +1.
    """
    atom = np.abs(correlations).argmax(axis=1)
    chosen = np.take_along_axis(correlations, atom[:, None], axis=1)[:, 0]
    return BestAtoms(atom, np.where(chosen < 0, -1, 1), np.abs(chosen))
