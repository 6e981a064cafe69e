"""How bright a run is, by the rule of FEAT's pre-statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dca.errors import ImageError
from dca.inputs.image import open_bold
from dca.preprocess.series import read_mask, volumes

RANGE = (0.02, 0.98)  # of the values of the run, 0 outside BET's mask: the darkest and the brightest
BRAIN = 0.1  # of that range, from its lower end: a voxel that falls below it at any time is no brain
SUSAN = 0.75  # of the way from the darkest to the median


@dataclass(frozen=True)
class Brightness:
    """What FEAT scales and smooths by.

    Attributes
    ----------
    low : float
        The 2nd percentile of the run set to 0 outside BET's mask: 0 unless that all but fills the grid.
    median : float
        Of all volumes of the voxels that are never dark.
    voxels : int
        Their number.
    """

    low: float
    median: float
    voxels: int

    @property
    def susan_threshold(self) -> float:
        """Contrast above which SUSAN does not smooth."""
        return SUSAN * (self.median - self.low)


def brightness(bold: str | Path, mask: str | Path) -> Brightness:
    """Median of a run as FEAT takes it.

    FEAT sets the run to 0 outside BET's mask, takes the 2nd and the 98th percentile of what there is
    then, all zeros counted, and leaves voxels out that fall in some volume below a tenth of the way
    between the two. The median is of the others.

    Parameters
    ----------
    bold : path
        4-D image.
    mask : path
        BET's mask on its grid. Voxels with a non-finite value are left out of it.

    Returns
    -------
    Brightness

    Raises
    ------
    ImageError
        If no in-mask voxel is finite, or the median is not above the 2nd percentile.
    """
    image = open_bold(bold)
    inside = read_mask(mask, image)
    series = np.empty((image.shape[3], int(inside.sum())), np.float32)
    for row, volume in zip(series, volumes(image), strict=True):
        row[:] = volume[inside]
    finite = np.isfinite(series).all(axis=0)
    if not finite.any():
        raise ImageError(bold, "has no finite value inside the mask", "check the image and its mask")
    if not finite.all():
        series = series[:, finite]
    outside = (inside.size - int(finite.sum())) * image.shape[3]
    low, high = _percentiles(series.ravel(), outside)
    bright = series.min(axis=0) >= low + BRAIN * (high - low)
    # A volume of nothing leaves no voxel bright throughout: then all of them count.
    chosen = series if bright.all() or not bright.any() else series[:, bright]
    median = float(np.median(chosen))
    if not median > max(low, 0):
        raise ImageError(
            bold,
            f"has an in-mask median of {median:g}, so it has no scale",
            "use backend: none for demeaned data",
        )
    return Brightness(low, median, chosen.shape[1])


def _percentiles(values: np.ndarray, zeros: int) -> tuple[float, float]:
    """Those of `RANGE` of values and a number of zeros, without making the zeros."""
    below, total = int((values < 0).sum()), len(values) + zeros
    found = []
    for share in RANGE:
        rank = min(int(share * total), total - 1)
        if below <= rank < below + zeros:
            found.append(0.0)
        else:
            at = rank if rank < below else rank - zeros
            found.append(float(np.partition(values, at)[at]))
    return found[0], found[1]
