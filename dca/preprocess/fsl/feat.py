"""Mode ``feat``: FEAT itself does the pre-statistics, from a design file that is kept."""

from __future__ import annotations

import logging
from pathlib import Path
from string import Template
from typing import Any

import nibabel as nib
import numpy as np

from dca.errors import ToolError
from dca.files import atomic, write_text
from dca.inputs.image import open_bold
from dca.preprocess.fsl.finite import finite_run, write_mean
from dca.preprocess.fsl.geometry import mean_displacement, read_displacement, read_matrix, write_matrices
from dca.preprocess.fsl.install import standard_image
from dca.preprocess.fsl.interfaces import Scratch, fsl
from dca.preprocess.fsl.motion import write_parameters
from dca.preprocess.scan import scan_run
from dca.preprocess.series import save_volume

TEMPLATE = Path(__file__).with_name("templates") / "prestats.fsf"
logger = logging.getLogger(__name__)


def run_feat(
    bold: str | Path,
    out_bold: str | Path,
    out_mask: str | Path,
    out_mean: str | Path,
    out_parameters: str | Path,
    out_matrices: str | Path,
    out_design: str | Path,
    *,
    tr: float,
    highpass_s: float,
    smooth_mm: float,
) -> list[dict[str, Any]]:
    """Preprocess a run by FEAT's own pre-statistics: MCFLIRT, BET, SUSAN, grand mean, high-pass.

    Parameters
    ----------
    bold : path
        4-D image.
    out_bold, out_mask, out_mean : path
        ``filtered_func_data``, ``mask`` and ``mean_func``.
    out_parameters, out_matrices : path
        As of `dca.preprocess.fsl.motion.correct_motion`.
    out_design : path
        The design file, ``.fsf``.
    tr : float
        Repetition time in seconds.
    highpass_s, smooth_mm : float
        As in the settings; 0 = off.

    Returns
    -------
    list of dict
        Records of FEAT and of its mask for the run's summary.

    Raises
    ------
    ImageError
        If the image cannot be used.
    ToolError, DependencyError
        If FEAT fails or is missing.
    """
    image = open_bold(bold)
    scan = scan_run(image, "feat")
    with Scratch("feat", out_bold) as scratch:
        source = finite_run(scratch, bold, image, scan)
        folder = scratch.path("run.feat")
        text = design(image, source, scratch.path("run"), tr=tr, highpass_s=highpass_s, smooth_mm=smooth_mm)
        scratch.path("design.fsf").write_text(text, encoding="utf-8")
        results = [folder / f"{name}.nii.gz" for name in ("filtered_func_data", "mask", "mean_func")]
        moved = folder / "mc" / "prefiltered_func_data_mcf"
        motion = [Path(f"{moved}{ending}") for ending in (".mat", "_abs.rms", "_rel.rms")]
        try:
            scratch.run(feat(scratch.path("design.fsf")), *results, *motion)
        except ToolError:
            # FEAT exits with 0 and tells its troubles to its report.
            for report in scratch.folder.glob("*.feat/report_log.html"):
                logger.error("%s:\n%s", report.name, report.read_text(encoding="utf-8", errors="replace"))
            raise
        matrices = np.stack([read_matrix(motion[0] / f"MAT_{t:04d}") for t in range(image.shape[3])])
        displacement = read_displacement(moved)
        inside = np.asarray(nib.Nifti1Image.from_filename(results[1]).dataobj) > 0
        inside &= ~scan.nonfinite
        with atomic(out_mask) as temporary:
            save_volume(temporary, inside, image)
        write_mean(results[2], scan, image, out_mean)
        scratch.give(results[0], out_bold)
    write_matrices(out_matrices, matrices, displacement)
    write_parameters(matrices, image, out_parameters)
    write_text(out_design, text)
    record = scratch.record(
        "FEAT, pre-statistics",
        reference_volume=image.shape[3] // 2,
        **scan.counts,
        **mean_displacement(displacement),
        highpass_s=highpass_s,
        fwhm_mm=smooth_mm,
    )
    return [record, {"step": "mask", "method": "FEAT's (BET)", "mask_voxels": int(inside.sum())}]


def feat(design_file: Path) -> fsl.FEAT:
    """FEAT as its design file says."""
    return fsl.FEAT(fsf_file=design_file)


def design(
    image: nib.Nifti1Image,
    bold: Path,
    output: Path,
    *,
    tr: float,
    highpass_s: float,
    smooth_mm: float,
) -> str:
    """Design file of FEAT's pre-statistics for one run.

    Parameters
    ----------
    image : Nifti1Image
        The run.
    bold : Path
        Where FEAT finds it.
    output : Path
        FEAT makes the folder of this name and ``.feat``.
    tr, highpass_s, smooth_mm : float
        As of `run_feat`.
    """
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        output=output,
        bold=bold,
        standard=str(standard_image("_brain")).removesuffix(".nii.gz"),
        tr=repr(tr),
        volumes=image.shape[3],
        values=int(np.prod(image.shape)),
        smooth=f"{smooth_mm:g}",
        highpass=int(highpass_s > 0),
        cutoff=f"{highpass_s or 100:g}",
    )
