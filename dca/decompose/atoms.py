"""Conventions that make atoms comparable: their order, sign, scale, names, and time courses."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse

from dca.decompose.odl import unit


class Atoms(NamedTuple):
    """A dictionary with its codes, in conventional order and sign.

    Attributes
    ----------
    dictionary : ndarray, float32, shape (L, K)
    coefficients : csr_array, float32, shape (K, N)
    energy : ndarray, float64, shape (K,)
        Sum of squared coefficients of each atom, descending.
    """

    dictionary: np.ndarray
    coefficients: sparse.csr_array
    energy: np.ndarray


def arrange(dictionary: np.ndarray, codes: sparse.csr_array) -> Atoms:
    """Order atoms by energy and turn each so that its coefficients sum to 0 or more.

    A dictionary is learnt up to order and sign; without a rule, two runs of the same data could not be
    laid side by side. D·A stays the same.

    Parameters
    ----------
    dictionary : ndarray, shape (L, K)
    codes : csr_array, shape (K, N)
    """
    energy = _row_sums(codes, codes.data.astype(np.float64) ** 2)
    order = np.argsort(-energy, kind="stable")
    coefficients = codes[order]
    sign = np.where(_row_sums(coefficients, coefficients.data) < 0, -1, 1).astype(np.float32)
    coefficients.data *= np.repeat(sign, np.diff(coefficients.indptr))
    return Atoms(dictionary[:, order] * sign, coefficients, energy[order])


def names(count: int) -> list[str]:
    """Column names of `count` atoms: ``atom_000`` and so on, sorting as they count."""
    width = max(3, len(str(count - 1)))
    return [f"atom_{i:0{width}d}" for i in range(count)]


def time_courses(dictionary: np.ndarray) -> np.ndarray:
    """Centre atoms in signal space and scale them to unit norm; flat ones become zero.

    Parameters
    ----------
    dictionary : ndarray, shape (T, K)

    Returns
    -------
    ndarray, float32, shape (T, K)
    """
    exact = np.asarray(dictionary, dtype=np.float64)
    largest = np.abs(exact).max(axis=0, initial=0)
    exact = np.divide(exact, largest, out=np.zeros_like(exact), where=largest > 0)
    return unit(exact - exact.mean(axis=0))


def decode(
    dictionary: np.ndarray, model_folder: str | Path, reference_norm: float, mean: np.ndarray
) -> np.ndarray:
    """Bring atoms of features to signal space by the decoder of the model that made the features.

    Parameters
    ----------
    dictionary : ndarray, float32, shape (hidden, K)
        Atoms, already turned: the decoder is not linear, so an atom and its negative differ.
    model_folder : path
    reference_norm : float
        Typical norm of a centred feature vector.
    mean : ndarray, float32, shape (hidden,)
        What the features were centred by.

    Returns
    -------
    ndarray, float32, shape (T, K)

    Raises
    ------
    ModelError
        If the model cannot be used.
    """
    from dca.model import decode_atoms, load_model

    return decode_atoms(load_model(model_folder).model, dictionary, reference_norm, mean)


def _row_sums(matrix: sparse.csr_array, values: np.ndarray) -> np.ndarray:
    """Sum values stored as the entries of `matrix` by row, in float64."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(rows, weights=values, minlength=matrix.shape[0])
