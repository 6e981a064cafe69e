"""FSL's coordinates and matrices, and what they are in scanner coordinates.

FSL counts millimetres from the first voxel along the voxel axes, ``voxel index x voxel size``, with
the first axis reversed where the affine has a positive determinant, so that its frame is always
left-handed. A matrix of FLIRT or MCFLIRT maps such coordinates of its input to those of its
reference.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from dca.errors import InputError
from dca.files import read_tsv, write_tsv

COLUMNS = [f"m{row}{column}" for row in range(4) for column in range(4)]
DESCRIPTIONS = {
    "m*": "Element (row, column) of the 4x4 matrix that MCFLIRT gives for the volume: from the volume to the "
    "reference, in FSL's millimetre coordinates",
    "absolute_displacement": "MCFLIRT's root mean square displacement from the reference, over a sphere of "
    "80 mm, mm",
    "relative_displacement": "The same from the volume before, mm",
}


def fsl_from_voxel(image: nib.Nifti1Image) -> np.ndarray:
    """Matrix (4, 4) from voxel indices of an image to FSL's coordinates in mm."""
    size = np.array(image.header.get_zooms()[:3], dtype=np.float64)
    matrix = np.diag([*size, 1.0])
    if np.linalg.det(image.affine[:3, :3]) > 0:
        matrix[0, 0], matrix[0, 3] = -size[0], size[0] * (image.shape[0] - 1)
    return matrix


def scanner_from_fsl(image: nib.Nifti1Image) -> np.ndarray:
    """Matrix (4, 4) from FSL's coordinates of an image to scanner coordinates (RAS+), both in mm."""
    return image.affine @ np.linalg.inv(fsl_from_voxel(image))


def head_motion(matrices: np.ndarray, image: nib.Nifti1Image) -> np.ndarray:
    """Rigid motion of the head from MCFLIRT's matrices.

    Parameters
    ----------
    matrices : ndarray, shape (T, 4, 4)
        From each volume to the reference, in FSL's coordinates.
    image : Nifti1Image
        On the grid of both.

    Returns
    -------
    ndarray, float64, shape (T, 4, 4)
        From the reference to each volume, in scanner coordinates: the convention of
        `dca.preprocess.rigid`.
    """
    frame = scanner_from_fsl(image)
    return frame @ np.linalg.inv(matrices) @ np.linalg.inv(frame)


def read_matrix(path: str | Path) -> np.ndarray:
    """Read one matrix (4, 4) as FSL writes it."""
    return np.loadtxt(path).reshape(4, 4)


def write_matrix(path: str | Path, matrix: np.ndarray) -> None:
    """Write one matrix as FSL reads it."""
    np.savetxt(path, matrix, fmt="%.10f")


def read_displacement(base: Path) -> pd.DataFrame:
    """Read ``<base>_abs.rms`` and ``<base>_rel.rms``, one row per volume; the first has nothing before it."""
    absolute, relative = (np.loadtxt(f"{base}_{kind}.rms", ndmin=1) for kind in ("abs", "rel"))
    return pd.DataFrame(
        {"absolute_displacement": absolute, "relative_displacement": np.concatenate([[np.nan], relative])}
    )


def mean_displacement(displacement: pd.DataFrame) -> dict[str, float]:
    """Means of what `read_displacement` read, for the record of the step."""
    return {f"mcflirt_{name}_mm": float(mean) for name, mean in displacement.mean().items()}


def write_matrices(path: str | Path, matrices: np.ndarray, displacement: pd.DataFrame | None = None) -> None:
    """Write what MCFLIRT found as a table, one row per volume: matrices and, if given, displacement."""
    table = pd.DataFrame(matrices.reshape(-1, 16), columns=COLUMNS)
    write_tsv(path, table if displacement is None else table.join(displacement), DESCRIPTIONS)


def read_matrices(path: str | Path) -> np.ndarray:
    """Read the matrices that `write_matrices` wrote.

    Raises
    ------
    InputError
        If it is another table.
    """
    table = read_tsv(path)
    if list(table.columns[:16]) != COLUMNS:
        raise InputError(path, "does not hold 4x4 matrices", "delete it: it is written anew")
    return table[COLUMNS].to_numpy(dtype=np.float64).reshape(-1, 4, 4)
