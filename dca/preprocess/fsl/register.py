"""Registration of the mean EPI to FSL's MNI template, by way of the T1w image where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dca.preprocess.fsl.finite import finite_volume
from dca.preprocess.fsl.install import STANDARD, standard_image
from dca.preprocess.fsl.interfaces import Scratch, fsl


def register_to_anatomy(
    mean: str | Path,
    brain: str | Path,
    t1w: str | Path,
    t1w_brain: str | Path,
    out_matrix: str | Path,
    *,
    bbr: bool = False,
) -> dict[str, Any]:
    """Register the mean EPI to the T1w image: FLIRT with 6 degrees of freedom, or epi_reg.

    Parameters
    ----------
    mean, brain : path
        Mean EPI, and the same without the skull.
    t1w, t1w_brain : path
    out_matrix : path
        FSL's matrix from EPI to T1w.
    bbr : bool
        Boundary-based registration (``epi_reg``), which segments the T1w image first.

    Returns
    -------
    dict
        Record of this step.

    Raises
    ------
    ToolError, DependencyError
        If a program fails or is missing.
    """
    with Scratch("register-anatomy", out_matrix) as scratch:
        head, target = scratch.take(t1w, "t1w"), scratch.take(t1w_brain, "t1w_brain")
        matrix = scratch.path("epi2t1w.mat")
        if bbr:
            source, _ = finite_volume(scratch, mean, "mean")
            scratch.run(epi_reg(source, head, target, matrix.with_suffix("")), matrix)
        else:
            scratch.run(flirt(scratch.take(brain, "brain"), target, matrix, dof=6), matrix)
        scratch.give(matrix, out_matrix)
    return scratch.record("epi_reg (BBR)" if bbr else "FLIRT, 6 degrees of freedom")


def register_to_standard(brain: str | Path, out_matrix: str | Path) -> dict[str, Any]:
    """Register a brain to FSL's MNI template: FLIRT with 12 degrees of freedom.

    Parameters
    ----------
    brain : path
        Of the T1w image, or the mean EPI where there is none.
    out_matrix : path
        FSL's matrix from it to MNI.

    Returns
    -------
    dict
        Record of this step.

    Raises
    ------
    ToolError, DependencyError
        If FLIRT fails or is missing.
    """
    with Scratch("register-standard", out_matrix) as scratch:
        target, matrix = scratch.take(standard_image("_brain"), "standard"), scratch.path("standard.mat")
        scratch.run(flirt(scratch.take(brain, "brain"), target, matrix, dof=12), matrix)
        scratch.give(matrix, out_matrix)
    return scratch.record("FLIRT, 12 degrees of freedom", template=STANDARD)


def warp_anatomy(t1w: str | Path, matrix: str | Path, out_warp: str | Path) -> dict[str, Any]:
    """Warp the T1w image to FSL's MNI template: FNIRT with the settings that FSL has for it.

    Parameters
    ----------
    t1w : path
        With the skull.
    matrix : path
        From `register_to_standard`.
    out_warp : path
        FNIRT's coefficients.

    Returns
    -------
    dict
        Record of this step.

    Raises
    ------
    ToolError, DependencyError
        If FNIRT fails or is missing.
    """
    with Scratch("warp-anatomy", out_warp) as scratch:
        source, affine = scratch.take(t1w, "t1w"), scratch.take(matrix, "affine")
        warp = scratch.path("warp.nii.gz")
        scratch.run(fnirt(source, scratch.take(standard_image(), "standard"), affine, warp), warp)
        scratch.give(warp, out_warp)
    return scratch.record("FNIRT, T1_2_MNI152_2mm", template=STANDARD)


def epi_to_standard(
    out_warp: str | Path,
    *,
    standard_matrix: str | Path,
    anatomy_matrix: str | Path | None = None,
    t1w: str | Path | None = None,
    anatomy_warp: str | Path | None = None,
) -> dict[str, Any]:
    """Join the registrations into one warp from the EPI to MNI.

    Two matrices are multiplied (``convert_xfm -concat``). A non-linear warp is joined on the grid
    of the T1w image first: ``convertwarp`` looks a warp up on the grid that it was sampled on, and
    the template's does not hold the whole of the T1w image's.

    Parameters
    ----------
    out_warp : path
        Relative warp field on the grid of the template.
    standard_matrix : path
        From the T1w image, or the mean EPI where there is none, to MNI.
    anatomy_matrix, t1w : path, optional
        From the EPI to the T1w image, and that image.
    anatomy_warp : path, optional
        FNIRT's, which takes the place of `standard_matrix`.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ToolError, DependencyError
        If a program fails or is missing.
    """
    with Scratch("register", out_warp) as scratch:
        target, warp = scratch.take(standard_image(), "standard"), scratch.path("epi2standard.nii.gz")
        last = scratch.take(standard_matrix, "standard_matrix")
        first = scratch.take(anatomy_matrix, "anatomy_matrix") if anatomy_matrix else None
        if anatomy_warp and first and t1w:
            middle = scratch.path("epi2t1w.nii.gz")
            scratch.run(matrix_warp(scratch.take(t1w, "t1w"), first, middle), middle)
            scratch.run(join_warps(target, middle, scratch.take(anatomy_warp, "anatomy_warp"), warp), warp)
            way = "T1w, FNIRT"
        else:
            if first:
                both = scratch.path("both.mat")
                scratch.run(concatenate(first, last, both), both)
                last = both
            scratch.run(matrix_warp(target, last, warp), warp)
            way = "T1w, FLIRT" if first else "FLIRT"
        scratch.give(warp, out_warp)
    return scratch.record(f"mean EPI to {STANDARD} ({way})")


def flirt(source: Path, target: Path, matrix: Path, dof: int) -> fsl.FLIRT:
    """FLIRT that only estimates, with its default cost (correlation ratio)."""
    return fsl.FLIRT(
        in_file=source,
        reference=target,
        out_matrix_file=matrix,
        out_file=matrix.with_suffix(".nii.gz"),
        dof=dof,
    )


def epi_reg(mean: Path, head: Path, brain: Path, base: Path) -> fsl.EpiReg:
    """Boundary-based registration; the matrix is ``<base>.mat``."""
    return fsl.EpiReg(epi=mean, t1_head=head, t1_brain=brain, out_base=str(base))


def fnirt(source: Path, target: Path, affine: Path, warp: Path) -> fsl.FNIRT:
    """FNIRT from a T1w head to the template's, as FEAT calls it."""
    return fsl.FNIRT(
        in_file=source,
        ref_file=target,
        affine_file=affine,
        config_file="T1_2_MNI152_2mm",
        fieldcoeff_file=str(warp),
        warped_file=warp.with_name("warped.nii.gz"),
    )


def concatenate(first: Path, second: Path, both: Path) -> fsl.ConvertXFM:
    """``convert_xfm`` that multiplies two matrices; the second is applied last."""
    return fsl.ConvertXFM(in_file=first, in_file2=second, concat_xfm=True, out_file=both)


def matrix_warp(reference: Path, matrix: Path, warp: Path) -> fsl.ConvertWarp:
    """``convertwarp`` from a matrix to a field on the grid of what the matrix leads to."""
    return fsl.ConvertWarp(reference=reference, premat=matrix, out_relwarp=True, out_file=warp)


def join_warps(reference: Path, first: Path, second: Path, warp: Path) -> fsl.ConvertWarp:
    """``convertwarp`` that joins two relative warps; the second is applied last."""
    return fsl.ConvertWarp(
        reference=reference, relwarp=True, warp1=first, warp2=second, out_relwarp=True, out_file=warp
    )
