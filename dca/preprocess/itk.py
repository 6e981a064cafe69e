"""Images between nibabel and SimpleITK, whose axes point to the left, the back and the top; its searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from dca.errors import ImageError

BINS = 32
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # scanner coordinates (RAS+) to the LPS+ of ITK, and back


def toolkit(threads: int | None = None) -> Any:
    """Import SimpleITK, and fix its number of threads: another changes the order of sums, so the result.

    Parameters
    ----------
    threads : int, optional
        From here on, for all that follows; without it, as before.
    """
    import SimpleITK as sitk  # noqa: N813  (its usual name; loaded only where it is used)

    if threads is not None:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return sitk


def to_itk(data: np.ndarray, affine: np.ndarray) -> Any:
    """Make a SimpleITK image.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
        Booleans become uint8, all else float32.
    affine : ndarray, shape (4, 4)
        Voxel indices to scanner coordinates in mm.

    Returns
    -------
    SimpleITK.Image
    """
    sitk = toolkit()
    kind = np.uint8 if data.dtype == bool else np.float32
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T.astype(kind)))
    frame = LPS @ affine
    size = np.linalg.norm(frame[:3, :3], axis=0)
    image.SetSpacing(size.tolist())
    image.SetOrigin(frame[:3, 3].tolist())
    image.SetDirection((frame[:3, :3] / size).ravel().tolist())
    return image


def from_itk(image: Any) -> np.ndarray:
    """Voxels of a SimpleITK image, shape (X, Y, Z), of its own type."""
    return np.asfortranarray(toolkit().GetArrayFromImage(image).T)


def matrix_of(transform: Any) -> np.ndarray:
    """Matrix (4, 4), in scanner coordinates, of a linear transform with a centre.

    It maps points of the fixed image to points of the moving one, as the transform does.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    centre = np.array(transform.GetCenter())
    matrix[:3, 3] = np.array(transform.GetTranslation()) + centre - matrix[:3, :3] @ centre
    return LPS @ matrix @ LPS


def affine_of(matrix: np.ndarray) -> Any:
    """Transform of ITK that does in its coordinates what a matrix (4, 4) does in scanner coordinates."""
    own = LPS @ matrix @ LPS
    transform = toolkit().AffineTransform(3)
    transform.SetMatrix(own[:3, :3].ravel().tolist())
    transform.SetTranslation(own[:3, 3].tolist())
    return transform


def matcher(region: Any, levels: Sequence[tuple[int, float]]) -> Any:
    """Search for the most mutual information of two images (Mattes), still without start and optimiser.

    Parameters
    ----------
    region : SimpleITK.Image, uint8
        Where values of the fixed image count.
    levels : sequence of (int, float)
        Shrink factor of the fixed image and smoothing of both in mm, from coarse to fine.

    Returns
    -------
    SimpleITK.ImageRegistrationMethod
    """
    sitk = toolkit()
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(region)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in levels])
    method.SetSmoothingSigmasPerLevel([sigma for _, sigma in levels])
    return method


@contextmanager
def registering(subject: str, otherwise: str) -> Iterator[None]:
    """Say of which image a search failed, and the setting of ``preprocess.registration`` without it.

    Raises
    ------
    ImageError
        For all that SimpleITK throws: mostly images that do not overlap.
    """
    try:
        yield
    except RuntimeError as error:
        raise ImageError(
            subject,
            f"cannot be registered ({str(error).strip().splitlines()[-1]})",
            f"look at the image and its mask, or set preprocess.registration: {otherwise}",
        ) from error
