"""Spatial smoothing with a Gaussian kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from tqdm import tqdm

from dca.files import atomic
from dca.inputs.image import open_bold
from dca.preprocess.series import SeriesWriter, volumes


def smooth(bold: str | Path, out: str | Path, *, fwhm_mm: float) -> dict[str, Any]:
    """Smooth every volume in space.

    Non-finite voxels count as 0 for their neighbours and stay non-finite.

    Parameters
    ----------
    bold : path
        4-D image.
    out : path
        Smoothed image, float32.
    fwhm_mm : float
        Full width at half maximum of the kernel in mm.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ValueError
        If the width is not positive.
    ImageError
        If `bold` cannot be used.
    """
    if not fwhm_mm > 0:
        raise ValueError(f"fwhm_mm must be positive. Received: {fwhm_mm}")
    import nilearn
    from nilearn.image import smooth_img

    image = open_bold(bold)
    with atomic(out) as temporary, SeriesWriter(temporary, image) as writer:
        for volume in tqdm(volumes(image), total=image.shape[3], desc="smooth", unit="volume"):
            finite = np.isfinite(volume)
            filled = nib.Nifti1Image(np.where(finite, volume, np.float32(0)), image.affine)
            smoothed = np.asarray(smooth_img(filled, fwhm_mm).dataobj)
            writer.write(np.where(finite, smoothed, np.float32(np.nan)))
    return {
        "step": "smooth",
        "method": "Gaussian kernel",
        "fwhm_mm": fwhm_mm,
        "nilearn": nilearn.__version__,
    }
