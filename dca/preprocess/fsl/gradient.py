"""Gradient distortion: the warp of the scanner's coefficients, by the package gradunwarp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dca.inputs.image import open_bold
from dca.preprocess.fsl.finite import finite_run
from dca.preprocess.fsl.install import GRADUNWARP
from dca.preprocess.fsl.interfaces import CommandLine, Scratch, fsl
from dca.preprocess.scan import scan_run


def unwarp_gradients(
    bold: str | Path,
    coefficients: str | Path,
    out_bold: str | Path,
    out_warp: str | Path,
    *,
    vendor: str = "siemens",
) -> dict[str, Any]:
    """Undo the distortion of non-linear gradients, as the HCP pipelines do.

    ``gradient_unwarp.py`` makes the warp of the first volume, ``convertwarp`` brings it to FSL's
    relative convention, ``applywarp`` (spline) applies it to the run. No Jacobian modulation.

    Parameters
    ----------
    bold : path
        4-D image.
    coefficients : path
        The scanner's coefficient file.
    out_bold : path
        The run without the distortion, on its own grid.
    out_warp : path
        Relative warp, for `dca.preprocess.fsl.resample`.
    vendor : {"siemens", "ge"}

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ToolError, DependencyError
        If a program fails or is missing.
    """
    image = open_bold(bold)
    with Scratch("gradient", out_bold) as scratch:
        source = finite_run(scratch, bold, image, scan_run(image, "gradient"))
        first, warp = scratch.path("first.nii.gz"), scratch.path("warp.nii.gz")
        absolute, result = scratch.path("fullWarp_abs.nii.gz"), scratch.path("unwarped.nii.gz")
        scratch.run(first_volume(source, first), first)
        table = scratch.take(coefficients, "coefficients")
        scratch.run(gradient_unwarp(first, scratch.path("trilinear.nii.gz"), table, vendor), absolute)
        scratch.run(relative_warp(first, absolute, warp), warp)
        scratch.run(apply_warp(source, first, warp, result), result)
        scratch.give(warp, out_warp)
        scratch.give(result, out_bold)
    return scratch.record(
        "gradient unwarping (gradunwarp), spline", coefficients=str(coefficients), vendor=vendor
    )


def first_volume(run: Path, volume: Path) -> fsl.ExtractROI:
    """``fslroi`` of the first volume of a run."""
    return fsl.ExtractROI(in_file=run, roi_file=volume, t_min=0, t_size=1)


def gradient_unwarp(source: Path, result: Path, coefficients: Path, vendor: str) -> CommandLine:
    """``gradient_unwarp.py``, which leaves ``fullWarp_abs.nii.gz`` where it is run."""
    return CommandLine(GRADUNWARP, args=f"{source} {result} {vendor} -g {coefficients} -n")


def relative_warp(reference: Path, absolute: Path, warp: Path) -> fsl.ConvertWarp:
    """``convertwarp`` from positions to displacements."""
    return fsl.ConvertWarp(reference=reference, abswarp=True, warp1=absolute, out_relwarp=True, out_file=warp)


def apply_warp(
    source: Path, reference: Path, warp: Path, result: Path, interpolation: str = "spline"
) -> fsl.ApplyWarp:
    """``applywarp`` of a relative warp."""
    return fsl.ApplyWarp(
        in_file=source,
        ref_file=reference,
        field_file=warp,
        relwarp=True,
        interp=interpolation,
        out_file=result,
    )
