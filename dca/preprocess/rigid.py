"""Rigid head motion: its six parameters, its matrices, and how far it moves the brain.

Convention. A volume's matrix maps the position of a point of the head in the reference volume to
its position in that volume, both in scanner coordinates (mm; x to the right, y to the front, z
up: RAS+)::

    x' = Rz(rot_z) Ry(rot_y) Rx(rot_x) (x - c) + c + (trans_x, trans_y, trans_z)

with angles in radians by the right-hand rule and c the centre of the image grid.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

from dca.inputs.confounds import PARAMETERS as PARAMETERS


def grid_centre(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Centre of an image grid in mm, shape (3,)."""
    return affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2) + affine[:3, 3]


def matrices_from_parameters(parameters: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Rigid matrices of motion parameters.

    Parameters
    ----------
    parameters : ndarray, shape (T, 6)
        Columns as in `PARAMETERS`, in mm and radians.
    centre : ndarray, shape (3,)
        Centre of rotation in mm, see `grid_centre`.

    Returns
    -------
    ndarray, float64, shape (T, 4, 4)
    """
    parameters = np.asarray(parameters, dtype=np.float64)
    matrices = np.tile(np.eye(4), (len(parameters), 1, 1))
    matrices[:, :3, :3] = Rotation.from_euler("xyz", parameters[:, 3:]).as_matrix()
    matrices[:, :3, 3] = parameters[:, :3] + centre - matrices[:, :3, :3] @ centre
    return matrices


def parameters_from_matrices(matrices: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Motion parameters of rigid matrices; the inverse of `matrices_from_parameters`."""
    rotation = matrices[:, :3, :3]
    translation = matrices[:, :3, 3] - centre + rotation @ centre
    return np.hstack([translation, Rotation.from_matrix(rotation).as_euler("xyz")])


def matrices_from_corrections(rows: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rigid matrices of the corrections that niimath writes.

    niimath follows AFNI's 3dvolreg: roll, pitch, yaw in degrees about the I-S, R-L and A-P axes
    and shifts to superior, left and posterior in mm, in the frame of the grid's own axes
    (obliquity ignored) about its centre; they map a volume onto the reference.

    Parameters
    ----------
    rows : ndarray, shape (T, 6)
        roll, pitch, yaw, dS, dL, dP.
    affine : ndarray, shape (4, 4)
    shape : tuple of int
        The image grid.

    Returns
    -------
    ndarray, float64, shape (T, 4, 4)
        From the reference to each volume, in scanner coordinates.
    """
    rows = np.asarray(rows, dtype=np.float64)
    roll, pitch, yaw, up, left, back = rows.T
    corrections = np.tile(np.eye(4), (len(rows), 1, 1))
    angles = np.column_stack([roll, pitch, yaw])
    corrections[:, :3, :3] = Rotation.from_euler("zxy", angles, degrees=True).as_matrix()
    corrections[:, :3, 3] = np.column_stack([left, back, up])
    frame = affine @ np.linalg.inv(_cardinal_affine(affine, shape))
    return frame @ np.linalg.inv(corrections) @ np.linalg.inv(frame)


def _cardinal_affine(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Voxel indices to mm left, posterior and superior of the grid's centre, obliquity removed."""
    axes = nib.orientations.io_orientation(affine)
    size = nib.affines.voxel_sizes(affine)
    cardinal = np.zeros((4, 4))
    cardinal[3, 3] = 1
    to_lps = (-1, -1, 1)
    for axis, (world, sign) in enumerate(axes.astype(int)):
        cardinal[world, axis] = to_lps[world] * sign * size[axis]
    cardinal[:3, 3] = -cardinal[:3, :3] @ ((np.array(shape[:3]) - 1) / 2)
    return cardinal


def rms_displacement(matrices: np.ndarray, others: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Root mean square distance between the positions that two motions give to points.

    Parameters
    ----------
    matrices, others : ndarray, shape (T, 4, 4)
    points : ndarray, shape (M, 3)
        Points in mm, such as the centres of the brain's voxels.

    Returns
    -------
    ndarray, float64, shape (T,)
        In mm.
    """
    difference = matrices - others
    moved = points @ difference[:, :3, :3].transpose(0, 2, 1) + difference[:, None, :3, 3]
    return np.sqrt(np.square(moved).sum(axis=2).mean(axis=1))
