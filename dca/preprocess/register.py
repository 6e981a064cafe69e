"""Registration by mutual information: the mean EPI to the template, the T1w image to the mean EPI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from dca.files import atomic
from dca.preprocess.itk import LPS, matcher, matrix_of, registering, to_itk, toolkit
from dca.preprocess.mask import fill_nonfinite
from dca.preprocess.series import read_volume
from dca.preprocess.template import SPACE, template_image, template_mask

SEARCH_MM = 2  # voxel size of the template in the search
COARSE, FINE = (4, 4.0), (2, 2.0)  # shrink factor of the fixed image, smoothing of both in mm
MARGIN = 3  # voxels around the fixed image's brain whose values count too, so that its edge does


def register_to_template(
    mean: str | Path,
    mask: str | Path,
    out_matrix: str | Path,
    *,
    bias: str | Path | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Register a mean EPI to the MNI152 template, with 12 degrees of freedom.

    Parameters
    ----------
    mean, mask : path
        Mean EPI and its brain, on one grid.
    out_matrix : path
        Text, 4 rows of 4 numbers: from the template to the EPI, scanner coordinates in mm.
    bias : path, optional
        Its bias field, which is divided out before.
    threads : int

    Returns
    -------
    dict
        Record of this step for the run's summary, with the ``space`` that the matrix leads from.

    Raises
    ------
    ImageError
        If an image is damaged, or nothing can be registered.
    """
    matrix = align(
        *search_template(), epi_brain(mean, mask, bias), affine=True, subject=str(mean), threads=threads
    )
    with atomic(out_matrix) as temporary:
        np.savetxt(temporary, matrix, fmt="%.8f")
    return {
        "step": "register",
        "method": "12 degrees of freedom, mutual information (SimpleITK), from the mean EPI",
        "space": SPACE,
        "simpleitk": toolkit().Version_VersionString(),
    }


def search_template() -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """The template for a search: data and affine, and its brain, bool."""
    target = template_image(SEARCH_MM)
    brain = np.asarray(template_mask(SEARCH_MM).dataobj) > 0
    return (np.asarray(target.dataobj, dtype=np.float32), target.affine), brain


def epi_brain(
    mean: str | Path, mask: str | Path, bias: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean EPI as it is registered, and its affine: finite, 0 outside the brain, evenly bright."""
    image, data = read_volume(mean)
    inside = read_volume(mask)[1] > 0
    data = fill_nonfinite(data)
    if bias:
        data = data / read_volume(bias)[1]
    return np.where(inside, data, np.float32(0)), image.affine


def align(
    fixed: tuple[np.ndarray, np.ndarray],
    brain: np.ndarray,
    moving: tuple[np.ndarray, np.ndarray],
    *,
    affine: bool,
    subject: str,
    threads: int = 1,
) -> np.ndarray:
    """Find the linear transform under which two images tell most about each other.

    Mattes' mutual information, linear interpolation, gradient descent on two levels. The search starts
    from no change and from centres of mass laid over each other, and goes on from what is better.

    Parameters
    ----------
    fixed : tuple of ndarray (X, Y, Z) and ndarray (4, 4)
        Data, finite, and affine.
    brain : ndarray, bool
        Brain of the fixed image; only values there and close to it count.
    moving : tuple of ndarray (X, Y, Z) and ndarray (4, 4)
    affine : bool
        12 degrees of freedom after 6; else 6.
    subject : str
        What to name in errors.
    threads : int

    Returns
    -------
    ndarray, float64, shape (4, 4)
        From points of the fixed image to points of the moving one, scanner coordinates in mm.

    Raises
    ------
    ImageError
        If the images do not overlap.
    """
    sitk = toolkit(threads)
    still, moved = to_itk(*fixed), to_itk(*moving)
    region = to_itk(binary_dilation(brain, iterations=MARGIN), fixed[1])
    centre = _centre(fixed[0] * brain, fixed[1])
    starts = [np.zeros(3), _centre(moving[0], moving[1]) - centre]
    with registering(subject, "none"):
        rigid = _first_search(still, moved, region, [_euler(centre, start) for start in starts])
        best, _ = _search(still, moved, region, rigid, [FINE])
        if affine:
            full = sitk.AffineTransform(3)
            full.SetCenter(best.GetCenter())
            full.SetMatrix(best.GetMatrix())
            full.SetTranslation(best.GetTranslation())
            best, _ = _search(still, moved, region, full, [COARSE, FINE])
    return matrix_of(best)


def _centre(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Centre of mass in ITK's coordinates, shape (3,)."""
    weight = np.maximum(data, 0)
    sums = [weight.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.float64) for axis in range(3)]
    total = max(float(sums[0].sum()), 1e-12)
    index = [float((np.arange(len(s)) * s).sum()) / total for s in sums]
    return (LPS @ affine @ [*index, 1.0])[:3]


def _euler(centre: np.ndarray, shift: np.ndarray) -> Any:
    transform = toolkit().Euler3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetTranslation(shift.tolist())
    return transform


def _first_search(fixed: Any, moving: Any, region: Any, starts: Sequence[Any]) -> Any:
    """The best of what several starts lead to; images that do not overlap from one may from another."""
    found, failed = [], RuntimeError("no start")
    for start in starts:
        try:
            found.append(_search(fixed, moving, region, start, [COARSE]))
        except RuntimeError as error:
            failed = error
    if not found:
        raise failed
    return min(found, key=lambda one: one[1])[0]


def _search(
    fixed: Any, moving: Any, region: Any, start: Any, levels: Sequence[tuple[int, float]]
) -> tuple[Any, float]:
    """Improve a transform in place; return it and its negative mutual information."""
    method = matcher(region, levels)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.005, 200, relaxationFactor=0.6)  # mm, mm
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return start, method.GetMetricValue()
