"""Non-linear normalisation: what is left of the difference to the template after 12 degrees of freedom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_dilation

from dca.files import atomic
from dca.preprocess.grid import take
from dca.preprocess.itk import LPS, affine_of, matcher, registering, to_itk, toolkit
from dca.preprocess.register import MARGIN, epi_brain, search_template
from dca.preprocess.series import read_volume
from dca.preprocess.template import SPACE

MESH_MM = 40.0  # about the distance of the splines' control points; finer ones follow noise, and fold
SEARCH = (3, 3.0)  # shrink factor of the fixed image, smoothing of both in mm
STEPS = 15  # of the optimiser
EDGE = 2  # voxels at the edge of what was scanned that do not count
FARTHEST_MM = 15.0  # displacement above which the report warns: brains differ by less after an affine
SMALLEST = 0.2  # ratio of volumes below which the report warns: the field all but folds


def warp_to_template(
    mean: str | Path,
    mask: str | Path,
    matrix: str | Path,
    out: str | Path,
    *,
    bias: str | Path | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Deform the template until it matches a mean EPI.

    Free-form deformation by cubic B-splines (Rueckert et al. 1999, IEEE Trans Med Imaging 18:712) and
    Mattes' mutual information, on top of the affine registration.

    Parameters
    ----------
    mean, mask : path
        Mean EPI and its brain, on one grid.
    matrix : path
        From `dca.preprocess.register.register_to_template`.
    out : path
        Displacements on the template's grid in scanner mm (NIfTI vectors, shape (X, Y, Z, 1, 3)): a point
        x of the template shows what lies at ``matrix (x + displacement)`` in the EPI.
    bias : path, optional
        Bias field of the EPI, which is divided out before.
    threads : int

    Returns
    -------
    dict
        Record of this step for the run's summary, with the largest displacement in the brain in mm, the
        range of the ratio of volumes (the Jacobian determinant), and warnings if these are hard to believe.

    Raises
    ------
    ImageError
        If an image is damaged, or nothing can be registered.
    """
    fixed, brain = search_template()
    moving = epi_brain(mean, mask, bias)
    field = find_warp(fixed, brain, moving, np.loadtxt(matrix), str(mean), threads)
    image = nib.Nifti1Image(field[:, :, :, None, :], fixed[1])
    image.header.set_intent("vector")
    image.header.set_xyzt_units("mm")
    with atomic(out) as temporary:
        nib.save(image, temporary)
    ratio = volume_ratio(field, fixed[1])[brain]
    farthest = float(np.linalg.norm(field[brain], axis=-1).max())
    doubts = {
        f"the deformation shrinks some of the brain to {100 * ratio.min():.0f} %": ratio.min() < SMALLEST,
        f"the deformation moves some of the brain by {farthest:.0f} mm": farthest > FARTHEST_MM,
    }
    return {
        "step": "warp",
        "method": "B-spline free-form deformation after the affine, mutual information (SimpleITK)",
        "space": SPACE,
        "largest_displacement_mm": farthest,
        "volume_ratio": [float(ratio.min()), float(ratio.max())],
        "warnings": [
            f"{doubt}: look at the mask over the template" for doubt, real in doubts.items() if real
        ],
        "simpleitk": toolkit().Version_VersionString(),
    }


def find_warp(
    fixed: tuple[np.ndarray, np.ndarray],
    brain: np.ndarray,
    moving: tuple[np.ndarray, np.ndarray],
    matrix: np.ndarray,
    subject: str,
    threads: int = 1,
) -> np.ndarray:
    """Displacements after an affine transform under which two images tell most about each other.

    Parameters
    ----------
    fixed : tuple of ndarray (X, Y, Z) and ndarray (4, 4)
        Data, finite, and affine.
    brain : ndarray, bool
        Brain of the fixed image; only values there and close to it count.
    moving : tuple of ndarray (X, Y, Z) and ndarray (4, 4)
    matrix : ndarray, shape (4, 4)
        From points of the fixed image to points of the moving one.
    subject : str
        What to name in errors.
    threads : int

    Returns
    -------
    ndarray, float32, shape (X, Y, Z, 3)
        In scanner mm, to be added to a point before the matrix.

    Raises
    ------
    ImageError
        If the images do not overlap.
    """
    sitk = toolkit(threads)
    still, moved = to_itk(*fixed), to_itk(*moving)
    extent = np.array(still.GetSize()) * still.GetSpacing()
    spline = sitk.BSplineTransformInitializer(still, [max(1, round(n / MESH_MM)) for n in extent])
    region = binary_dilation(brain, iterations=MARGIN) & scanned_region(fixed, moving, matrix)
    method = matcher(to_itk(region, fixed[1]), [SEARCH])
    method.SetOptimizerAsLBFGS2(numberOfIterations=STEPS)
    method.SetMovingInitialTransform(affine_of(matrix))
    method.SetInitialTransform(spline, inPlace=True)
    with registering(subject, "affine"):
        method.Execute(still, moved)
    field = sitk.TransformToDisplacementField(
        spline, sitk.sitkVectorFloat32, still.GetSize(), still.GetOrigin(), still.GetSpacing(),
        still.GetDirection(),
    )  # fmt: skip
    found = sitk.GetArrayFromImage(field).transpose(2, 1, 0, 3)
    return np.asarray(found * np.diag(LPS)[:3], dtype=np.float32)


def scanned_region(
    fixed: tuple[np.ndarray, np.ndarray], moving: tuple[np.ndarray, np.ndarray], matrix: np.ndarray
) -> np.ndarray:
    """Where the moving image was scanned, on the grid of the fixed one, bool, shape (X, Y, Z).

    Without the slices at its edges: what was not scanned must not be filled by stretching what was.
    Arguments are those of `find_warp`.
    """
    scanned = np.zeros(moving[0].shape, np.float32)
    scanned[EDGE:-EDGE, EDGE:-EDGE, EDGE:-EDGE] = 1
    index = np.linalg.inv(moving[1]) @ matrix @ fixed[1]
    return take(scanned, index, fixed[0].shape, order=0) > 0


def volume_ratio(field: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Jacobian determinant of x + displacement, shape (X, Y, Z): 1 at rest, 0 or less where it folds."""
    along = np.stack([np.gradient(field, axis=axis) for axis in range(3)], axis=-1)  # per voxel
    return np.linalg.det(np.eye(3) + along @ np.linalg.inv(affine[:3, :3]))


def warped_points(warp: str | Path, grid: nib.Nifti1Image) -> np.ndarray:
    """Points of a grid in the template's space with their displacements, in mm, shape (3, X, Y, Z).

    Raises
    ------
    ImageError
        If the file is damaged.
    """
    image, field = read_volume(warp)
    index = np.linalg.inv(image.affine) @ grid.affine
    points = np.indices(grid.shape, dtype=np.float64)
    points = np.tensordot(grid.affine[:3, :3], points, axes=1) + grid.affine[:3, 3, None, None, None]
    for axis in range(3):
        points[axis] += take(field[:, :, :, 0, axis], index, grid.shape, order=1, mode="nearest")
    return points
