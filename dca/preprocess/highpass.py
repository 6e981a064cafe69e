"""High-pass filter: FSL's Gaussian-weighted straight-line fit (``fslmaths -bptf``), computed by niimath.

At each volume a straight line is fitted to the neighbouring volumes, weighted by a Gaussian of
standard deviation sigma (cut at three of them); what the line gives there is taken away.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dca.files import atomic
from dca.inputs.image import open_bold
from dca.preprocess.niimath import niimath, version


def sigma_volumes(highpass_s: float, tr: float) -> float:
    """Sigma of the filter in volumes: half the cut-off period, as in FSL's FEAT.

    Raises
    ------
    ValueError
        If the cut-off or the TR is not positive.
    """
    if not (highpass_s > 0 and tr > 0):
        raise ValueError(f"highpass_s and tr must be positive. Received: {highpass_s}, {tr}")
    return highpass_s / (2 * tr)


def highpass(
    bold: str | Path, out: str | Path, *, tr: float, highpass_s: float, threads: int = 1
) -> dict[str, Any]:
    """Take slow changes out of every voxel and keep its temporal mean.

    Parameters
    ----------
    bold : path
        4-D image.
    out : path
        Filtered image, float32.
    tr : float
        Repetition time in seconds.
    highpass_s : float
        Cut-off period in seconds.
    threads : int

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If `bold` cannot be used.
    """
    open_bold(bold)
    sigma = sigma_volumes(highpass_s, tr)
    with atomic(out) as temporary, tempfile.TemporaryDirectory() as scratch:
        mean = Path(scratch, "mean.nii")
        niimath(Path(bold), ["-Tmean"], mean, threads=threads)
        niimath(Path(bold), ["-bptf", repr(sigma), "-1", "-add", mean], temporary, threads=threads)
    return {
        "step": "highpass",
        "method": "Gaussian-weighted straight-line fit (fslmaths -bptf), mean added back",
        "highpass_s": highpass_s,
        "sigma_volumes": sigma,
        "niimath": version(),
    }


def filter_columns(columns: np.ndarray, tr: float, highpass_s: float) -> np.ndarray:
    """Apply the filter of `highpass` to the columns of a design, with their means kept.

    Parameters
    ----------
    columns : ndarray, shape (T, K)
        Regressors, one per column.
    tr : float
        Repetition time in seconds.
    highpass_s : float
        Cut-off period in seconds; 0 leaves the columns as they are.

    Returns
    -------
    ndarray, float64, shape (T, K)

    Raises
    ------
    ValueError
        If `columns` is not a finite matrix.
    """
    columns = np.asarray(columns, dtype=np.float64)
    if columns.ndim != 2 or not np.isfinite(columns).all():
        raise ValueError(f"columns must be a finite matrix. Received: shape {columns.shape}")
    if highpass_s == 0 or 0 in columns.shape:
        return columns.copy()
    sigma = sigma_volumes(highpass_s, tr)
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch, "columns.nii"), Path(scratch, "filtered.nii")
        nib.save(nib.Nifti1Image(_as_image(columns), np.eye(4)), source)
        niimath(source, ["-bptf", repr(sigma), "-1"], out, double=True)
        filtered = _as_columns(np.asarray(nib.Nifti1Image.from_filename(out).dataobj), columns.shape[1])
    return filtered + columns.mean(axis=0)


# NIfTI-1 stores each length in 16 bits, and surrogate designs may have more columns than that.
_SIDE = 4096


def _as_image(columns: np.ndarray) -> np.ndarray:
    length, count = columns.shape
    rows = -(-count // _SIDE)
    padded = np.zeros((length, rows * min(count, _SIDE)))
    padded[:, :count] = columns
    return np.ascontiguousarray(padded.T).reshape(1, rows, -1, length)


def _as_columns(image: np.ndarray, count: int) -> np.ndarray:
    return image.reshape(-1, image.shape[3])[:count].T
