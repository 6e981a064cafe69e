"""What the stand-ins share: images, FSL's coordinates, failing on demand."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np


class Parser(argparse.ArgumentParser):
    """Options with one dash or two, none of them abbreviated, as FSL's programs take them."""

    def __init__(self) -> None:
        super().__init__(allow_abbrev=False, add_help=False)


def run_as_program(main: Callable[[list[str]], None]) -> None:
    """Run a stand-in. STANDIN_COMMANDS names a file for its command line; STANDIN_FAILS makes one fail."""
    name = Path(sys.argv[0]).stem
    if os.environ.get("STANDIN_COMMANDS"):
        with open(os.environ["STANDIN_COMMANDS"], "a") as record:
            record.write(" ".join([name, *sys.argv[1:]]) + "\n")
    if os.environ.get("STANDIN_FAILS") == name:
        sys.stderr.write("Image Exception : #63 :: No image files match: nothing\n")
        sys.exit(1)
    main(sys.argv[1:])


def image_path(name: str) -> Path:
    """Path of an image given with or without its suffix."""
    path = Path(name)
    return path if path.name.endswith((".nii", ".nii.gz")) else path.with_name(path.name + ".nii.gz")


def load(name: str) -> nib.Nifti1Image:
    return nib.load(image_path(name))


def save(data: np.ndarray, like: nib.Nifti1Image, name: str, dtype: np.dtype = np.float32) -> None:
    """Save data on the grid of another image."""
    zooms = [*like.header.get_zooms(), 1.0][: data.ndim]
    if np.issubdtype(dtype, np.integer):
        data = np.rint(data)
    image = nib.Nifti1Image(data.astype(dtype), like.affine)
    image.header.set_zooms(zooms)
    image.header.set_xyzt_units(*like.header.get_xyzt_units())
    image.header.set_sform(like.affine, max(int(like.header["sform_code"]), 1))
    nib.save(image, image_path(name))


def to_fsl(image: nib.Nifti1Image) -> np.ndarray:
    """Voxel indices to FSL's mm: index times size, the first axis turned round in a right-handed grid."""
    sx, sy, sz = image.header.get_zooms()[:3]
    if np.linalg.det(image.affine) > 0:
        return np.array([[-sx, 0, 0, sx * (image.shape[0] - 1)], [0, sy, 0, 0], [0, 0, sz, 0], [0, 0, 0, 1]])
    return np.diag([sx, sy, sz, 1.0])


def move(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a 4x4 matrix to points (..., 3)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def grid(image: nib.Nifti1Image) -> np.ndarray:
    """FSL's coordinates of all voxels, shape (X, Y, Z, 3)."""
    return move(to_fsl(image), np.moveaxis(np.indices(image.shape[:3]), 0, -1).astype(float))


def sample(data: np.ndarray, image: nib.Nifti1Image, points: np.ndarray, order: int, mode: str) -> np.ndarray:
    """Values of a 3-D array on an image's grid at FSL's coordinates (..., 3)."""
    from scipy.ndimage import map_coordinates

    voxels = np.moveaxis(move(np.linalg.inv(to_fsl(image)), points), -1, 0)
    return map_coordinates(data, voxels, order=order, mode=mode)


def displaced(warp: nib.Nifti1Image, points: np.ndarray) -> np.ndarray:
    """Where a relative warp, an image (X, Y, Z, 3), takes points."""
    field = np.asarray(warp.dataobj, dtype=float)
    return points + np.stack([sample(field[..., i], warp, points, 1, "nearest") for i in range(3)], axis=-1)
