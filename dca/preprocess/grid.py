"""Values of an image on another grid."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import affine_transform


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
