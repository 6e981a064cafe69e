"""Reading and writing 4-D images volume by volume, so that memory does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.openers import Opener
from nibabel.volumeutils import apply_read_scaling

from dca.errors import ImageError
from dca.inputs.image import DAMAGED, open_mask
from dca.inputs.stream import fill, unpacked


def volumes(image: nib.Nifti1Image, stop: int | None = None) -> Iterator[np.ndarray]:
    """Iterate over the volumes of a 4-D image in order, reading its file once.

    Parameters
    ----------
    image : Nifti1Image
        From `dca.inputs.image.open_bold`.
    stop : int, optional
        Number of volumes to read; all by default.

    Yields
    ------
    ndarray, float32, shape (X, Y, Z), Fortran order

    Raises
    ------
    ImageError
        If the file is cut off or damaged.
    """
    stored: Any = image.dataobj
    try:
        with unpacked(stored.file_like) as stream:
            fill(stream, np.empty(stored.offset, np.uint8))
            for _ in range(stored.shape[3] if stop is None else stop):
                volume = np.empty(stored.shape[:3], stored.dtype, order="F")
                fill(stream, volume)
                with np.errstate(over="ignore"):
                    scaled = apply_read_scaling(volume, stored.slope, stored.inter)
                    scaled = np.asfortranarray(scaled, dtype=np.float32)
                yield scaled
            if stop is None:
                stream.read(1)  # the checksum of a compressed file stands behind the last volume
    except DAMAGED as error:
        raise ImageError(
            str(stored.file_like),
            f"is truncated or damaged ({error})",
            "copy, fetch or convert the file again",
        ) from error


def read_mask(path: str | Path, bold: nib.Nifti1Image) -> np.ndarray:
    """Read a mask for a 4-D image.

    Parameters
    ----------
    path : path
        3-D image on the grid of `bold`; voxels above 0 are inside.
    bold : Nifti1Image

    Returns
    -------
    ndarray, bool, shape (X, Y, Z)

    Raises
    ------
    ImageError
        If it is unreadable, empty, or lies on another grid.
    """
    image = open_mask(path, bold)
    try:
        mask = np.asarray(image.dataobj).reshape(bold.shape[:3]) > 0
    except DAMAGED as error:
        raise ImageError(
            path, f"is truncated or damaged ({error})", "copy or fetch the file again"
        ) from error
    if not mask.any():
        raise ImageError(path, "is an empty mask", "give a mask with voxels above 0")
    return mask


def read_volume(path: str | Path) -> tuple[nib.Nifti1Image, np.ndarray]:
    """Read a 3-D image that a step wrote.

    Returns
    -------
    image : Nifti1Image
    data : ndarray, float32, shape (X, Y, Z)

    Raises
    ------
    ImageError
        If it is damaged.
    """
    image = nib.Nifti1Image.from_filename(path)
    try:
        return image, np.asarray(image.dataobj, dtype=np.float32)
    except DAMAGED as error:
        raise ImageError(
            path, f"is truncated or damaged ({error})", "re-run the step that wrote it"
        ) from error


class SeriesWriter:
    """Write a float32 NIfTI image volume by volume, in the space of another image.

    Parameters
    ----------
    path : path
        Ends in ``.nii`` or ``.nii.gz``; give a name from `dca.files.atomic`.
    like : Nifti1Image
        Its affine, codes, units, TR and number of volumes are kept.
    grid : Nifti1Image, optional
        A 3-D image whose grid and codes take the place of those of `like`.

    Raises
    ------
    ValueError
        On leaving the context, if another number of volumes was written.
    """

    def __init__(self, path: str | Path, like: nib.Nifti1Image, grid: nib.Nifti1Image | None = None) -> None:
        self._shape = like.shape if grid is None else (*grid.shape[:3], like.shape[3])
        self._header = float_header(grid or like, self._shape)
        if grid is not None:
            self._header.set_zooms((*grid.header.get_zooms()[:3], like.header.get_zooms()[3]))
            self._header.set_xyzt_units("mm", float_header(like, like.shape).get_xyzt_units()[1])
        self._written = 0
        self._path = str(path)

    def __enter__(self) -> SeriesWriter:
        self._file = Opener(self._path, "wb")
        self._header.write_to(self._file)
        return self

    def write(self, volume: np.ndarray) -> None:
        """Append one volume of shape (X, Y, Z)."""
        if volume.shape != self._shape[:3]:
            raise ValueError(f"volume must have shape {self._shape[:3]}. Received: {volume.shape}")
        self._file.write(np.asarray(volume, dtype="<f4").tobytes(order="F"))
        self._written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is None and self._written != self._shape[3]:
            raise ValueError(f"{self._shape[3]} volumes were announced. Received: {self._written}")


def float_header(like: nib.Nifti1Image, shape: tuple[int, ...]) -> nib.Nifti1Header:
    """Little-endian float32 NIfTI-1 header with the space, units and TR of another image."""
    source = like.header
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype("<f4")
    header.set_data_shape(shape)
    zooms = source.get_zooms()
    header.set_zooms([*zooms, *(1.0,) * 4][: len(shape)])
    space, time = source.get_xyzt_units()
    header.set_xyzt_units("mm" if space == "unknown" else space, "sec" if time == "unknown" else time)
    # With both codes 0 readers differ in the affine that they make up.
    header.set_sform(like.affine, int(source["sform_code"]) or int(source["qform_code"]) or 1)
    if source["qform_code"]:
        header.set_qform(source.get_qform(), int(source["qform_code"]))
    header["vox_offset"] = 352  # header and the four bytes that say: no extension
    return header


def save_volume(path: str | Path, data: np.ndarray, like: nib.Nifti1Image) -> None:
    """Save a 3-D array in the space of an image: masks (bool) as uint8, all else as float32.

    Give a name from `dca.files.atomic`.
    """
    header = float_header(like, data.shape)
    data = data.astype(np.uint8 if data.dtype == bool else np.float32)
    header.set_data_dtype(data.dtype)
    nib.save(nib.Nifti1Image(data, None, header), path)
