"""Values of an image on another grid."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import affine_transform, map_coordinates


def take(
    data: np.ndarray, index: np.ndarray, shape: tuple[int, ...], *, order: int, mode: str = "constant"
) -> np.ndarray:
    """Sample an image by splines.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    index : ndarray, shape (4, 4)
        From voxel indices of the grid to those of the image.
    shape : tuple of int
        Of the grid.
    order : int
        Of the splines; 0 is the nearest voxel.
    mode : str
        What is beyond the image's edge, as in `scipy.ndimage`; 0 by default.

    Returns
    -------
    ndarray, float32, of the grid's shape
    """
    return affine_transform(
        data, index[:3, :3], index[:3, 3], output_shape=shape, output=np.float32, order=order, mode=mode
    )


def take_at(data: np.ndarray, points: np.ndarray, index: np.ndarray, *, order: int, mode: str) -> np.ndarray:
    """Sample an image by splines at points that lie on no grid.

    Parameters
    ----------
    data : ndarray, shape (X, Y, Z)
    points : ndarray, shape (3, ...)
        In mm.
    index : ndarray, shape (4, 4)
        From mm to voxel indices of the image.
    order, mode
        As for `take`.

    Returns
    -------
    ndarray, float32, shape (...)
    """
    at = np.tensordot(index[:3, :3], points, axes=1) + index[:3, 3].reshape(3, *[1] * (points.ndim - 1))
    return map_coordinates(data, at, output=np.float32, order=order, mode=mode)
