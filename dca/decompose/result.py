"""Reading a run's dictionary and coefficients back."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from scipy import sparse

from dca.errors import InputError
from dca.files import read_tsv

DICTIONARY = "dictionary.tsv"
COEFFICIENTS = "coefficients.npz"
_REMEDY = "run `decompose` again for this run"


def read_dictionary(folder: str | Path, length: int) -> np.ndarray:
    """Time courses of the atoms.

    Parameters
    ----------
    folder : path
        Of `dca.decompose.learn`.
    length : int
        Volumes of the run, T.

    Returns
    -------
    ndarray, float64, shape (T, K)

    Raises
    ------
    InputError
        If the table is missing, damaged or of another length.
    """
    path = Path(folder) / DICTIONARY
    table = read_tsv(path)
    if len(table) != length:
        raise InputError(path, f"has {len(table)} rows, the run has {length} volumes", _REMEDY)
    try:
        dictionary = table.to_numpy(np.float64)
    except ValueError as error:
        raise InputError(path, f"holds what is no number ({error})", _REMEDY) from error
    if not np.isfinite(dictionary).all():
        raise InputError(path, "holds values that are not finite", _REMEDY)
    return dictionary


def read_coefficients(folder: str | Path, shape: tuple[int, int]) -> sparse.csr_array:
    """Sparse codes of all voxels.

    Parameters
    ----------
    folder : path
        Of `dca.decompose.learn`.
    shape : (int, int)
        Atoms K and voxels N of the run.

    Returns
    -------
    csr_array, float32, shape (K, N)

    Raises
    ------
    InputError
        If the file is missing, damaged or of another shape.
    """
    path = Path(folder) / COEFFICIENTS
    try:
        coefficients = sparse.csr_array(sparse.load_npz(path))
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", _REMEDY) from error
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(path, f"cannot be read ({error})", _REMEDY) from error
    if coefficients.shape != shape:
        raise InputError(path, f"has shape {coefficients.shape}, not {shape}", _REMEDY)
    return coefficients
