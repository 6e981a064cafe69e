"""Opening images: what is checked in the header, and what in the data."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np
from isal import isal_zlib

from dca.errors import ImageError
from dca.inputs import remote

APART_MM = 0.1  # more than rounding leaves

# What nibabel and ISA-L let through for broken files; the stub of the latter calls its class an instance.
DAMAGED = (OSError, EOFError, ValueError, zlib.error, cast(type[Exception], isal_zlib.error))


def open_bold(path: str | Path) -> nib.Nifti1Image:
    """Open a BOLD image and check its header; no voxel is read.

    Returns
    -------
    Nifti1Image
        4-D, two volumes or more, an affine that can be inverted, real numbers.

    Raises
    ------
    ImageError
        If the file is missing, is not NIfTI, or its header is not that of a BOLD image.
    """
    image = _open(path)
    if len(image.shape) != 4:
        raise _refused(
            path,
            f"is {len(image.shape)}-D {_shape(image)}, not 4-D",
            "give the time series, x by y by z by time",
        )
    if 0 in image.shape or image.shape[3] < 2:
        raise _refused(
            path, f"holds no time series (shape {_shape(image)})", "give an image with two volumes or more"
        )
    return image


def open_mask(path: str | Path, bold: nib.Nifti1Image) -> nib.Nifti1Image:
    """Open a mask and check that it lies on the grid of a BOLD image; no voxel is read.

    Raises
    ------
    ImageError
        If the file is missing, is not NIfTI, or has another grid.
    """
    mask = _open(path)
    if tuple(mask.shape) not in (bold.shape[:3], (*bold.shape[:3], 1)):
        raise _refused(
            path,
            f"has shape {_shape(mask)}, the image {bold.get_filename()} {_shape(bold)}",
            "give a 3-D mask on the grid of the image",
        )
    if not np.allclose(mask.affine, bold.affine, rtol=0, atol=1e-3):  # mm
        raise _refused(
            path,
            f"has another affine than the image {bold.get_filename()}",
            "resample the mask to the grid of the image",
        )
    return mask


def compare_affines(image: nib.Nifti1Image) -> str | None:
    """A warning where sform and qform place the voxels more than `APART_MM` apart, else None.

    What reads an image here takes the sform, as FSL and nilearn do.
    """
    sform, qform = image.get_sform(coded=True)[0], image.get_qform(coded=True)[0]
    if sform is None or qform is None:
        return None
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*np.array(image.shape[:3]) - 1, 1]
    apart = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
    if apart <= APART_MM:
        return None
    return f"sform and qform place its voxels up to {apart:.1f} mm apart; the sform counts"


def read_bold(path: str | Path) -> tuple[np.ndarray, nib.Nifti1Image]:
    """Read a BOLD image whole.

    Returns
    -------
    data : array, shape (X, Y, Z, T), float32
        Scaled as the header says, in Fortran order as stored.
    image : Nifti1Image
        For header and affine.

    Raises
    ------
    ImageError
        If the header is wrong (see :func:`open_bold`), the data are truncated or damaged, all
        values are non-finite, or no voxel changes over time.
    """
    image = open_bold(path)
    try:
        data = image.get_fdata(dtype=np.float32, caching="unchanged")
    except DAMAGED as error:
        raise ImageError(
            path, f"is truncated or damaged ({error})", "copy, fetch or convert the file again"
        ) from error
    # Volume by volume: a whole-image mask would add a quarter to the memory, and the first few decide.
    if not any(np.isfinite(data[..., t]).any() for t in range(data.shape[3])):
        raise ImageError(path, "holds no finite value", "export or preprocess the run again")
    if not any(_changes(data[..., t - 1], data[..., t]) for t in range(1, data.shape[3])):
        content = "does not change over time" if np.nan_to_num(data[..., 0]).any() else "is zero everywhere"
        raise ImageError(path, content, "export or preprocess the run again")
    return data, image


def _open(path: str | Path) -> nib.Nifti1Image:
    path = Path(path)
    if not remote.exists(path):
        if path.is_symlink():
            raise _refused(path, "is a link to a missing file", "fetch its content (e.g. datalad get)")
        raise _refused(path, "does not exist", "check the path")
    try:
        image = remote.open_image(path) if remote.is_remote(path) else nib.load(path)
    except (*DAMAGED, nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError) as error:
        raise _refused(
            path, f"cannot be read as NIfTI ({error})", "copy, fetch or convert the file again"
        ) from error
    if not isinstance(image, nib.Nifti1Image):
        raise _refused(path, f"is a {type(image).__name__}, not a NIfTI volume", "convert it to .nii.gz")
    _check_header(path, image)
    return image


def _check_header(path: Path, image: nib.Nifti1Image) -> None:
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf":
        raise _refused(path, f"holds {dtype} values, not real numbers", "export magnitudes as numbers")
    affine = image.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:  # mm^3
        raise _refused(
            path, "has an affine that cannot be inverted", "mend its sform or qform, or convert it again"
        )
    proxy = image.dataobj  # the header of an opened image has forgotten the offset
    if path.suffix == ".nii" and isinstance(proxy, nib.arrayproxy.ArrayProxy):
        # A compressed file shows its size only when read to the end.
        needed = proxy.offset + int(np.prod(image.shape, dtype=np.int64)) * dtype.itemsize
        size, _ = remote.state(path)
        if size < needed:
            raise _refused(
                path, f"is truncated ({size} of {needed} bytes)", "copy, fetch or convert the file again"
            )


def _refused(path: str | Path, problem: str, remedy: str) -> ImageError:
    return ImageError(remote.address(path), problem, remedy)


def _changes(before: np.ndarray, after: np.ndarray) -> bool:
    return bool(((before != after) & np.isfinite(before) & np.isfinite(after)).any())


def _shape(image: nib.Nifti1Image) -> str:
    return "×".join(map(str, image.shape))
