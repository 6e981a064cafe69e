"""Steps on the intensities of a run: bias field, smoothing, grand mean, high-pass, in FEAT's order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dca.preprocess.fsl.brightness import brightness
from dca.preprocess.fsl.interfaces import Scratch, fsl, temporal_mean
from dca.preprocess.highpass import sigma_volumes
from dca.preprocess.scale import TARGET


def correct_bias(bold: str | Path, bias: str | Path, out: str | Path) -> dict[str, Any]:
    """Divide a run by a bias field: ``fslmaths <run> -div <field>``, 0 where the field is.

    Parameters
    ----------
    bold : path
        4-D image.
    bias : path
        3-D field on its grid.
    out : path

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ToolError, DependencyError
        If fslmaths fails or is missing.
    """
    with Scratch("unbias", out) as scratch:
        source, field = scratch.take(bold, "run"), scratch.take(bias, "field")
        result = scratch.path("unbiased.nii.gz")
        scratch.run(divide(source, field, result), result)
        scratch.give(result, out)
    return scratch.record("run divided by FAST's bias field")


def divide(source: Path, field: Path, result: Path) -> fsl.ImageMaths:
    """``fslmaths`` that divides an image by another."""
    return fsl.ImageMaths(in_file=source, op_string="-div", in_file2=field, out_file=result)


def smooth(bold: str | Path, mask: str | Path, out: str | Path, *, fwhm_mm: float) -> dict[str, Any]:
    """Smooth within regions of like brightness: SUSAN, its threshold 75 % of (median - 2nd percentile).

    It finds the regions in the run's own mean over time, as FEAT has it: one from before the bias
    field was divided out would not be on the scale of the threshold.

    Parameters
    ----------
    bold : path
        4-D image.
    mask : path
        3-D mask on its grid.
    out : path
    fwhm_mm : float
        Full width at half maximum of the kernel in mm.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the in-mask median is not positive.
    ToolError, DependencyError
        If fslmaths or SUSAN fails or is missing.
    """
    threshold = brightness(bold, mask).susan_threshold
    with Scratch("smooth", out) as scratch:
        source, mean = scratch.take(bold, "run"), scratch.path("mean.nii.gz")
        result = scratch.path("smooth.nii.gz")
        scratch.run(temporal_mean(source, mean), mean)
        scratch.run(susan(source, mean, result, threshold, fwhm_mm), result)
        scratch.give(result, out)
    return scratch.record("SUSAN", fwhm_mm=fwhm_mm, brightness_threshold=threshold)


def susan(source: Path, guide: Path, result: Path, threshold: float, fwhm_mm: float) -> fsl.SUSAN:
    """SUSAN in three dimensions, with the regions of a second image, as FEAT calls it."""
    return fsl.SUSAN(
        in_file=source,
        out_file=result,
        brightness_threshold=threshold,
        fwhm=fwhm_mm,
        dimension=3,
        use_median=1,
        usans=[(str(guide), threshold)],
    )


def scale(bold: str | Path, mask: str | Path, out: str | Path) -> dict[str, Any]:
    """Bring FEAT's in-mask median over all volumes to 10,000: ``fslmaths <run> -mul <factor>``.

    Parameters
    ----------
    bold : path
        4-D image.
    mask : path
        3-D mask on its grid.
    out : path

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the median is not positive.
    ToolError, DependencyError
        If fslmaths fails or is missing.
    """
    median = brightness(bold, mask).median
    with Scratch("scale", out) as scratch:
        result = scratch.path("scaled.nii.gz")
        scratch.run(multiply(scratch.take(bold, "run"), TARGET / median, result), result)
        scratch.give(result, out)
    return scratch.record("in-mask 4-D median to target", target=TARGET, grand_mean=median)


def multiply(source: Path, factor: float, result: Path) -> fsl.ImageMaths:
    """``fslmaths`` that multiplies an image by a number."""
    return fsl.ImageMaths(in_file=source, op_string=f"-mul {factor:.10g}", out_file=result)


def highpass(bold: str | Path, out: str | Path, *, tr: float, highpass_s: float) -> dict[str, Any]:
    """Take slow changes out and add the mean again: ``fslmaths <run> -bptf <sigma> -1 -add <mean>``.

    Parameters
    ----------
    bold : path
        4-D image.
    out : path
    tr : float
        Repetition time in seconds.
    highpass_s : float
        Cut-off period in seconds; sigma is half of it, in volumes, as in FEAT.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ToolError, DependencyError
        If fslmaths fails or is missing.
    """
    sigma = sigma_volumes(highpass_s, tr)
    with Scratch("highpass", out) as scratch:
        source, mean = scratch.take(bold, "run"), scratch.path("mean.nii.gz")
        result = scratch.path("filtered.nii.gz")
        scratch.run(temporal_mean(source, mean), mean)
        scratch.run(bandpass(source, sigma, mean, result), result)
        scratch.give(result, out)
    return scratch.record(
        "Gaussian-weighted straight-line fit (fslmaths -bptf), mean added back",
        highpass_s=highpass_s,
        sigma_volumes=sigma,
    )


def bandpass(source: Path, sigma: float, mean: Path, result: Path) -> fsl.ImageMaths:
    """``fslmaths`` that filters a run, whose mean it takes away, and adds the mean."""
    operations = f"-bptf {sigma:.10g} -1 -add"
    return fsl.ImageMaths(in_file=source, op_string=operations, in_file2=mean, out_file=result)
