"""A head made of formulas, so that it can be moved without interpolation."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

SHAPE = (22, 26, 20)
AXIAL = np.array([[4.0, 0, 0, -42], [0, 4, 0, -50], [0, 0, 4, -38], [0, 0, 0, 1]])


def head(points: np.ndarray) -> np.ndarray:
    """Brightness of the head at points in mm (..., 3): an ellipsoid with soft edge and lumps inside."""
    radius = np.sqrt((np.square(points / [30, 36, 26])).sum(-1))
    lumps = sum(
        np.exp(-np.square(points - centre).sum(-1) / (2 * width**2))
        for centre, width in (((12, 10, 8), 7), ((-14, -12, 4), 8), ((3, 18, -9), 6), ((-8, 6, 14), 6))
    )
    return 100 * (1 + 1.5 * lumps) / (1 + np.exp((radius - 1) * 12))


def centres(shape, affine: np.ndarray) -> np.ndarray:
    """Voxel centres in mm, shape (X, Y, Z, 3)."""
    return np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]


def oblique(affine: np.ndarray) -> np.ndarray:
    """The same grid, tilted by 13 degrees about its centre."""
    tilt = np.eye(4)
    tilt[:3, :3] = Rotation.from_euler("xyz", [13, 3, -4], degrees=True).as_matrix()
    return tilt @ affine


def moving_head(affine: np.ndarray, matrices: np.ndarray, seed: int = 0, noise: float = 1.0) -> np.ndarray:
    """Series (X, Y, Z, T) of a head that moves by rigid matrices (T, 4, 4), with noise."""
    rng = np.random.default_rng(seed)
    points = centres(SHAPE, affine)
    inverse = np.linalg.inv(matrices)
    still = [head(points @ m[:3, :3].T + m[:3, 3]) for m in inverse]
    return np.stack([v + noise * rng.standard_normal(SHAPE) for v in still], axis=-1).astype(np.float32)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write an array as NIfTI and return its path."""

    def write(name: str, data: np.ndarray, affine: np.ndarray = AXIAL, tr: float = 0.72) -> Path:
        image = nib.Nifti1Image(data, affine)
        image.header.set_zooms((*image.header.get_zooms()[:3], tr)[: data.ndim])
        image.header.set_xyzt_units("mm", "sec")
        path = tmp_path / "folder with ü" / name
        path.parent.mkdir(exist_ok=True)
        nib.save(image, path)
        return path

    return write


@pytest.fixture
def still(save) -> Path:
    """A run of 30 volumes of the head at rest, with drift and noise."""
    t = np.linspace(0, 1, 30)
    data = moving_head(AXIAL, np.tile(np.eye(4), (30, 1, 1)))
    return save("bold.nii.gz", (data * (1 + 0.05 * t)).astype(np.float32))


@pytest.fixture
def brain(save) -> Path:
    """Mask of the head."""
    return save("brain.nii.gz", (head(centres(SHAPE, AXIAL)) > 60).astype(np.uint8))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Folders of a BIDS dataset with T1w images in all the usual places, files empty."""
    for name in (
        "sub-01/anat/sub-01_acq-b_T1w.nii",
        "sub-01/anat/sub-01_acq-a_T1w.nii.gz",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
        "sub-02/ses-2/func/sub-02_ses-2_bold.nii.gz",
        "sub-02/ses-3/anat/sub-02_ses-3_T1w.nii.gz",
        "sub-03/func/sub-03_bold.nii.gz",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path
