"""Write a 4-D NIfTI volume by volume, so that a run never is in memory as a whole."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np

from dca.files import atomic

SLOPE = 0.1  # intensity per stored step; far below the noise


def image_header(affine: np.ndarray, shape: tuple[int, ...], tr: float | None = None) -> nib.Nifti1Header:
    """Header with sform and qform in MNI mm, and seconds where there is time."""
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_sform(affine, code="mni")
    header.set_qform(affine, code="mni")
    header.set_xyzt_units("mm", "sec" if tr else None)
    if tr:
        header.set_zooms((*header.get_zooms()[:3], tr))
    return header


def write_volumes(
    path: Path, volumes: Iterable[np.ndarray], affine: np.ndarray, shape: tuple[int, ...], tr: float
) -> None:
    """Write volumes (X, Y, Z) as they come, as int16 with a slope, in gzip.

    The bytes depend on nothing but the data: gzip's name and time are left out.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full.
    """
    header = image_header(affine, shape, tr)
    header.set_data_dtype(np.int16)
    header.set_slope_inter(SLOPE, 0)
    header["vox_offset"] = 352
    limits = np.iinfo(np.int16)
    with (
        atomic(path) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
    ):
        packed.write(header.binaryblock + bytes(4))  # no header extensions
        for volume in volumes:
            stored = np.clip(np.rint(volume / SLOPE), limits.min, limits.max).astype("<i2")
            packed.write(stored.tobytes(order="F"))


def write_map(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    """Write a small 3-D or 4-D image (uint8 or float32), reproducibly."""
    header = image_header(affine, values.shape)
    header.set_data_dtype(values.dtype)
    image = nib.Nifti1Image(values, None, header)
    with atomic(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
