"""Bias field: slow changes of brightness over the image that come from the coils, by N4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dca.errors import ImageError
from dca.files import atomic
from dca.preprocess.itk import from_itk, to_itk, toolkit
from dca.preprocess.mask import fill_nonfinite
from dca.preprocess.series import read_volume, save_volume

GRID_MM = 6.0  # voxel size to which the image is shrunk: the field has no detail
ITERATIONS = (50, 50, 50)  # at each of three levels; the last has a control point every eighth of the image
FLOOR = 0.01  # of the in-mask median: N4 takes logarithms, and a value near 0 would be far from all others
RANGE = (
    0.1,
    10.0,
)  # what a field may be, relative to its median in the brain; beyond it is a guess


def bias_field(mean: str | Path, mask: str | Path, out: str | Path, *, threads: int = 1) -> dict[str, Any]:
    """Estimate the bias field of a mean EPI by N4 (Tustison et al. 2010, IEEE Trans Med Imaging 29:1310).

    Parameters
    ----------
    mean : path
        3-D mean image.
    mask : path
        Brain, on its grid.
    out : path
        Multiplicative field on the same grid, with a median of 1 in the brain: image / field is even.
    threads : int

    Returns
    -------
    dict
        Record of this step for the run's summary, with the field's 1st and 99th percentile in the
        brain as ``bias_range``.

    Raises
    ------
    ImageError
        If an image is damaged, or the brain has no positive value.
    """
    image, data = read_volume(mean)
    inside = read_volume(mask)[1] > 0
    field = estimate_field(fill_nonfinite(data), inside, image.affine, str(mean), threads)
    with atomic(out) as temporary:
        save_volume(temporary, field, image)
    low, high = np.percentile(field[inside], [1, 99])
    return {
        "step": "bias",
        "method": "N4 on the mean EPI",
        "bias_range": [round(float(low), 3), round(float(high), 3)],
        "simpleitk": toolkit().Version_VersionString(),
    }


def estimate_field(
    data: np.ndarray, inside: np.ndarray, affine: np.ndarray, subject: str, threads: int = 1
) -> np.ndarray:
    """Bias field of a finite image.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Finite.
    inside : ndarray, bool, shape (X, Y, Z)
        Where the field is estimated; elsewhere it is the splines' continuation.
    affine : ndarray, shape (4, 4)
    subject : str
        What to name in errors.
    threads : int

    Returns
    -------
    ndarray, float32, shape (X, Y, Z)
        Positive, median 1 inside.

    Raises
    ------
    ImageError
        If no value inside is positive.
    """
    sitk = toolkit(threads)
    positive = data[inside & (data > 0)]
    if not positive.size:
        raise ImageError(subject, "is nowhere positive in the brain mask", "set preprocess.bias_field: false")
    level = float(np.median(positive))
    whole = to_itk(np.maximum(data / level, FLOOR), affine)
    factors = [max(1, int(GRID_MM / size)) for size in whole.GetSpacing()]
    small = sitk.Shrink(whole, factors)
    brain = sitk.Shrink(to_itk(inside, affine), factors)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.Execute(small, brain)
    field = np.exp(from_itk(n4.GetLogBiasFieldAsImage(whole)))
    field /= np.median(field[inside])
    return np.clip(field, *RANGE).astype(np.float32)
