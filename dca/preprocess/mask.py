"""Brain masks: computed from the mean EPI, taken as given, or read off data that are masked already."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt

from dca.errors import ImageError
from dca.files import atomic
from dca.inputs.image import open_bold
from dca.preprocess.series import read_mask, read_volume, save_volume, volumes

MASKED_FRACTION = 0.5  # data of which at least half the grid never changes count as masked already


def brain_mask(mean: str | Path, out: str | Path) -> dict[str, Any]:
    """Compute the brain mask of a mean EPI.

    nilearn's `compute_epi_mask`: a threshold in the valley of the histogram, opening, the largest
    component; then holes are filled, so that a non-finite voxel inside the brain stays inside and
    is counted when signals are extracted.

    Parameters
    ----------
    mean : path
        3-D mean image.
    out : path
        Mask, uint8.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the image is unreadable, or no brain is found.
    """
    image, data = read_volume(mean)
    mask = _epi_mask(mean, data, image.affine)
    with atomic(out) as temporary:
        save_volume(temporary, mask, image)
    return _record("computed from the mean EPI (nilearn compute_epi_mask)", mask)


def given_mask(mask: str | Path, bold: str | Path, out: str | Path) -> dict[str, Any]:
    """Check a mask that came with the input and take it over as uint8, 1 where it is above 0.

    Parameters
    ----------
    mask : path
        3-D image on the grid of `bold`; it is not resampled.
    bold : path
        4-D image.
    out : path

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the mask is unreadable, empty or lies on another grid.
    """
    image = open_bold(bold)
    inside = read_mask(mask, image)
    with atomic(out) as temporary:
        save_volume(temporary, inside, image)
    return _record(f"given: {mask}", inside)


def data_mask(bold: str | Path, out: str | Path) -> dict[str, Any]:
    """Compute the mask of preprocessed data that came without one.

    If at least half of the grid never changes, the data were masked before, and the mask is where
    they change. Otherwise it is computed from their mean over time, as in `brain_mask`.

    Parameters
    ----------
    bold : path
        4-D image.
    out : path
        Mask, uint8.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the image is unreadable, nothing in it changes, or no brain is found.
    """
    image = open_bold(bold)
    changes, mean = _changes_and_mean(image)
    if not changes.any():
        raise ImageError(bold, "does not change over time at any voxel", "export or preprocess the run again")
    if changes.mean() <= 1 - MASKED_FRACTION:
        method, mask = "where the data change (masked before)", changes
    else:
        method = "computed from the mean over time (nilearn compute_epi_mask)"
        mask = _epi_mask(bold, mean, image.affine)
    with atomic(out) as temporary:
        save_volume(temporary, mask, image)
    return _record(method, mask)


def _changes_and_mean(image: nib.Nifti1Image) -> tuple[np.ndarray, np.ndarray]:
    """Where finite values change over time (bool), and the mean over time (float32), both (X, Y, Z)."""
    source = volumes(image)
    first = next(source)
    changes, total = np.zeros(first.shape, dtype=bool), first.astype(np.float64)
    for volume in source:
        # A voxel with some non-finite values stays in, to be counted when signals are extracted.
        changes |= (volume != first) & ~(np.isnan(volume) & np.isnan(first))
        total += volume
    return changes, (total / image.shape[3]).astype(np.float32)


def _epi_mask(path: str | Path, mean: np.ndarray, affine: np.ndarray) -> np.ndarray:
    from nilearn.exceptions import MaskWarning
    from nilearn.masking import compute_epi_mask

    remedy = "give a mask with the input, or check the image"
    finite = fill_nonfinite(mean)
    if finite.min() == finite.max():
        raise ImageError(path, "has the same mean at every voxel, so no brain can be found", remedy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)  # an empty mask is an error below
        found = compute_epi_mask(nib.Nifti1Image(finite, affine))
    mask = binary_fill_holes(np.asarray(found.dataobj) > 0)
    if not mask.any():
        raise ImageError(path, "gives an empty brain mask", remedy)
    return mask


def fill_nonfinite(mean: np.ndarray) -> np.ndarray:
    """Replace non-finite values: enclosed ones by their nearest neighbour, those around the data by 0.

    A 0 inside the brain is a hole, and the opening would take a hole near the edge, with all that lies
    between, off the mask.
    """
    known = np.isfinite(mean)
    filled = np.where(known, mean, np.float32(0))
    enclosed = binary_fill_holes(known) & ~known
    if enclosed.any():
        nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
        filled[enclosed] = mean[tuple(nearest[:, enclosed])]
    return filled


def _record(method: str, mask: np.ndarray) -> dict[str, Any]:
    return {"step": "mask", "method": method, "mask_voxels": int(mask.sum())}
