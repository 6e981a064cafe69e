"""The brain: BET on the mean EPI or on the T1w image, and FAST's bias field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import distance_transform_edt

from dca.errors import ImageError
from dca.files import atomic
from dca.preprocess.fsl.finite import finite_volume
from dca.preprocess.fsl.interfaces import Scratch, fsl
from dca.preprocess.series import read_volume, save_volume

EPI_FRACTION = 0.3  # BET's threshold for EPI, as in FEAT; 0.5 is its default, for T1w images


def epi_brain(mean: str | Path, out_mask: str | Path, out_brain: str | Path) -> dict[str, Any]:
    """Find the brain in a mean EPI: ``bet <mean> <brain> -f 0.30 -m``.

    Parameters
    ----------
    mean : path
        3-D mean; a voxel that is not finite there is left out of the mask.
    out_mask : path
        uint8.
    out_brain : path
        The mean, 0 outside the brain.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the mean is damaged, or no brain is found.
    ToolError, DependencyError
        If BET fails or is missing.
    """
    with Scratch("mask", out_mask) as scratch:
        source, finite = finite_volume(scratch, mean, "mean")
        brain, found = scratch.path("brain.nii.gz"), scratch.path("brain_mask.nii.gz")
        scratch.run(bet(source, brain), brain, found)
        image = nib.Nifti1Image.from_filename(found)
        mask = (np.asarray(image.dataobj) > 0) & finite
        if not mask.any():
            raise ImageError(mean, "gives an empty brain mask", "check the image")
        with atomic(out_mask) as temporary:
            save_volume(temporary, mask, image)
        scratch.give(brain, out_brain)
    return scratch.record(f"BET on the mean EPI, -f {EPI_FRACTION}", mask_voxels=int(mask.sum()))


def bet(source: Path, brain: Path) -> fsl.BET:
    """BET of a mean EPI with FEAT's threshold, brain and mask."""
    return fsl.BET(in_file=source, out_file=brain, frac=EPI_FRACTION, mask=True)


def anatomical_brain(t1w: str | Path, out_brain: str | Path) -> dict[str, Any]:
    """Find the brain in a T1w image: ``bet <t1w> <brain> -R``.

    Parameters
    ----------
    t1w : path
    out_brain : path
        The image, 0 outside the brain.

    Returns
    -------
    dict
        Record of this step.

    Raises
    ------
    ToolError, DependencyError
        If BET fails or is missing.
    """
    with Scratch("anatomy", out_brain) as scratch:
        source, brain = scratch.take(t1w, "t1w"), scratch.path("brain.nii.gz")
        scratch.run(anatomical_bet(source, brain), brain)
        scratch.give(brain, out_brain)
    return scratch.record("BET on the T1w image, -R", t1w=str(t1w))


def anatomical_bet(source: Path, brain: Path) -> fsl.BET:
    """BET of a T1w image, whose centre it estimates anew until it no longer moves."""
    return fsl.BET(in_file=source, out_file=brain, robust=True)


def bias_field(brain: str | Path, out_bias: str | Path) -> dict[str, Any]:
    """Estimate the bias field of the mean EPI: ``fast -t 2 -n 3 -b --nopve``.

    Parameters
    ----------
    brain : path
        Mean EPI, 0 outside the brain.
    out_bias : path
        Multiplicative field; outside the brain, where FAST says 1 whatever is next to it, that of the
        nearest voxel inside, so that there is no step at the edge.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the field is empty.
    ToolError, DependencyError
        If FAST fails or is missing.
    """
    with Scratch("bias", out_bias) as scratch:
        source, field = scratch.take(brain, "brain"), scratch.path("fast_bias.nii.gz")
        scratch.run(fast(source, scratch.path("fast")), field)
        image = nib.Nifti1Image.from_filename(field)
        data = np.asarray(image.dataobj, dtype=np.float32)
        known = (read_volume(brain)[1] > 0) & (data > 0)
        if not known.any():
            raise ImageError(brain, "gives a bias field that is nowhere positive", "set bias_field: false")
        nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
        with atomic(out_bias) as temporary:
            save_volume(temporary, data[tuple(nearest)], image)
    return scratch.record("FAST on the brain of the mean EPI")


def fast(source: Path, base: Path) -> fsl.FAST:
    """FAST for the bias field of a T2*-weighted brain."""
    return fsl.FAST(
        in_files=[source],
        img_type=2,
        number_classes=3,
        output_biasfield=True,
        no_pve=True,
        out_basename=base,
    )
