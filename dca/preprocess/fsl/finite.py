"""What FSL's programs get to see: no value that is not finite, which they would spread, and float runs."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from dca.files import atomic
from dca.preprocess.fsl.interfaces import Scratch
from dca.preprocess.mask import fill_nonfinite
from dca.preprocess.scan import Scan
from dca.preprocess.series import SeriesWriter, read_volume, save_volume, volumes


def finite_run(scratch: Scratch, bold: str | Path, image: nib.Nifti1Image, scan: Scan) -> Path:
    """Bring a run into the scratch folder, non-finite values replaced by those of its reference volume.

    Of whole numbers it becomes float32, as FEAT itself begins: MCFLIRT, applywarp and SUSAN save what
    they compute as the type that they were given.
    """
    if not scan.nonfinite_values and image.get_data_dtype().kind == "f":
        return scratch.take(bold, "run")
    path = scratch.path("run.nii")
    with SeriesWriter(path, image) as writer:
        for volume in volumes(image):
            writer.write(scan.filled(volume))
    return path


def finite_volume(scratch: Scratch, path: str | Path, name: str) -> tuple[Path, np.ndarray]:
    """Bring a 3-D image into the scratch folder, non-finite values replaced by their neighbours'.

    Returns
    -------
    path : Path
    finite : ndarray, bool, shape (X, Y, Z)
        Where it was finite.

    Raises
    ------
    ImageError
        If it is damaged.
    """
    image, data = read_volume(path)
    copy = scratch.path(f"{name}.nii.gz")
    save_volume(copy, fill_nonfinite(data), image)
    return copy, np.isfinite(data)


def write_mean(mean: Path, scan: Scan, image: nib.Nifti1Image, out: str | Path) -> None:
    """Write a mean over time, NaN where the run is not finite throughout."""
    data = np.asarray(nib.Nifti1Image.from_filename(mean).dataobj, dtype=np.float32)
    with atomic(out) as temporary:
        save_volume(temporary, np.where(scan.nonfinite, np.float32(np.nan), data), image)
