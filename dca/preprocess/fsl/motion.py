"""Head motion: MCFLIRT, rigid registration of every volume to the one in the middle."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from dca.files import write_tsv
from dca.inputs.image import open_bold
from dca.preprocess.fsl.finite import finite_run, write_mean
from dca.preprocess.fsl.geometry import (
    head_motion,
    mean_displacement,
    read_displacement,
    read_matrix,
    write_matrices,
)
from dca.preprocess.fsl.interfaces import Scratch, fsl, temporal_mean
from dca.preprocess.motion import DESCRIPTIONS
from dca.preprocess.rigid import PARAMETERS, grid_centre, parameters_from_matrices
from dca.preprocess.scan import is_alike, scan_run
from dca.preprocess.series import read_volume, volumes

logger = logging.getLogger(__name__)


def correct_motion(
    bold: str | Path,
    out_bold: str | Path,
    out_parameters: str | Path,
    out_matrices: str | Path,
    out_mean: str | Path,
) -> dict[str, Any]:
    """Align all volumes of a run with the one in the middle, as FEAT does.

    ``mcflirt -refvol <T // 2> -mats -plots -spline_final -rmsabs -rmsrel``. The motion parameters
    are taken from its matrices, not from its ``.par`` file, whose centre of rotation is another.
    Where a value is not finite MCFLIRT sees that of the reference, and the mean is NaN, which
    keeps the voxel out of the mask. If the middle volume is constant or empty, the reference is
    the volume that backend ``native`` would take.

    Parameters
    ----------
    bold : path
        4-D image.
    out_bold : path
        Aligned image.
    out_parameters : path
        TSV as of `dca.preprocess.motion.correct_motion`.
    out_matrices : path
        TSV of MCFLIRT's matrices, for `dca.preprocess.fsl.resample`, and of the displacement that it
        gives for each volume, absolute and relative.
    out_mean : path
        Mean of the aligned image over time.

    Returns
    -------
    dict
        Record of this step for the run's summary, with MCFLIRT's mean absolute and relative
        displacement in mm.

    Raises
    ------
    ImageError
        If the image cannot be used.
    ToolError, DependencyError
        If MCFLIRT fails or is missing.
    """
    image = open_bold(bold)
    scan = scan_run(image, "motion")
    reference = image.shape[3] // 2
    if reference in scan.unusable:
        reference = scan.reference
    with Scratch("motion", out_bold) as scratch:
        source = finite_run(scratch, bold, image, scan)
        aligned, mean = scratch.path("aligned.nii.gz"), scratch.path("mean.nii.gz")
        rms = [scratch.path(f"aligned.nii.gz_{kind}.rms") for kind in ("abs", "rel")]
        folder = scratch.path("aligned.nii.gz.mat")
        scratch.run(mcflirt(source, aligned, reference), aligned, folder, *rms)
        scratch.run(temporal_mean(aligned, mean), mean)
        matrices = np.stack([read_matrix(folder / f"MAT_{t:04d}") for t in range(image.shape[3])])
        displacement = read_displacement(aligned)
        unaligned = find_unaligned(aligned, mean, scan.unusable)
        write_mean(mean, scan, image, out_mean)
        scratch.give(aligned, out_bold)
    if unaligned:
        logger.warning("%s: volumes %s could not be aligned with volume %d", bold, unaligned, reference)
    write_matrices(out_matrices, matrices, displacement)
    write_parameters(matrices, image, out_parameters)
    return scratch.record(
        "rigid, normalised correlation, spline interpolation (mcflirt)",
        reference_volume=reference,
        **scan.counts,
        unaligned_volumes=unaligned,
        **mean_displacement(displacement),
    )


def find_unaligned(aligned: Path, mean: Path, unusable: list[int]) -> list[int]:
    """Volumes that do not look like the mean of all, but for those that cannot be used anyway."""
    image, target = nib.Nifti1Image.from_filename(aligned), read_volume(mean)[1]
    return [
        t for t, volume in enumerate(volumes(image)) if t not in unusable and not is_alike(volume, target)
    ]


def mcflirt(source: Path, aligned: Path, reference: int) -> fsl.MCFLIRT:
    """MCFLIRT as FEAT calls it, but for the reference's number in place of a file."""
    return fsl.MCFLIRT(
        in_file=source,
        out_file=aligned,
        ref_vol=reference,
        save_mats=True,
        save_plots=True,
        save_rms=True,
        interpolation="spline",
    )


def write_parameters(matrices: np.ndarray, image: nib.Nifti1Image, out: str | Path) -> None:
    """Write the motion parameters that belong to MCFLIRT's matrices, with native's columns and units."""
    motion = head_motion(matrices, image)
    parameters = parameters_from_matrices(motion, grid_centre(image.affine, image.shape[:3]))
    write_tsv(out, pd.DataFrame(parameters, columns=list(PARAMETERS)), DESCRIPTIONS)
