"""One interpolation for motion, gradient unwarping and normalisation, as in the HCP pipelines."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from tqdm import tqdm

from dca.errors import ImageError
from dca.files import atomic
from dca.inputs.image import open_bold
from dca.preprocess.fsl.finite import finite_run
from dca.preprocess.fsl.geometry import read_matrices, write_matrix
from dca.preprocess.fsl.gradient import apply_warp
from dca.preprocess.fsl.install import SPACE, standard_image
from dca.preprocess.fsl.interfaces import Scratch, fsl, temporal_mean
from dca.preprocess.fsl.register import join_warps
from dca.preprocess.scan import scan_run
from dca.preprocess.series import SeriesWriter, save_volume, volumes


@dataclass(frozen=True)
class Moved:
    """Where the images of the EPI's own space go to in the template's."""

    mask: str | Path
    mean: str | Path
    bias: str | Path | None = None


def resample(
    bold: str | Path,
    matrices: str | Path,
    mean: str | Path,
    out_bold: str | Path,
    *,
    gradient_warp: str | Path | None = None,
    standard_warp: str | Path | None = None,
    source: Moved | None = None,
    out: Moved | None = None,
) -> dict[str, Any]:
    """Resample a run from its raw volumes, each once.

    ``fslsplit``; for each volume ``convertwarp`` joins the gradient warp and the volume's matrix
    on the EPI's grid, then that with the warp to the template, and ``applywarp`` (spline) applies
    it; ``fslmerge``. All files are in ``$TMPDIR`` and take about three times the room of the result.

    Parameters
    ----------
    bold : path
        The raw 4-D image.
    matrices : path
        TSV from `dca.preprocess.fsl.motion.correct_motion`.
    mean : path
        Mean EPI, whose grid the matrices lead to.
    out_bold : path
    gradient_warp : path, optional
        From `dca.preprocess.fsl.gradient.unwarp_gradients`.
    standard_warp : path, optional
        From `dca.preprocess.fsl.register.epi_to_standard`; without it the run stays on its grid.
    source, out : Moved, optional
        Mask, mean and bias field of the EPI, and where to write them in the space of the
        template, the mask by the nearest voxel. Both with `standard_warp`.

    Returns
    -------
    dict
        Record of this step for the run's summary, with the ``space`` of the result.

    Raises
    ------
    ImageError
        If nothing of the brain falls into the template.
    ToolError, DependencyError
        If a program fails or is missing.
    """
    image = open_bold(bold)
    with Scratch("resample", out_bold) as scratch:
        chain = _Chain(
            scratch=scratch,
            grid=scratch.take(mean, "grid"),
            gradient=scratch.take(gradient_warp, "gradient") if gradient_warp else None,
            standard=scratch.take(standard_warp, "to_standard") if standard_warp else None,
            target=scratch.take(standard_image() if standard_warp else mean, "target"),
        )
        scan = scan_run(image, "resample")
        raw = finite_run(scratch, bold, image, scan)
        scratch.run(split(raw, scratch.path("raw")), scratch.path("raw0000.nii.gz"))
        transforms = read_matrices(matrices)
        moved = [chain.volume(t, matrix) for t, matrix in enumerate(tqdm(transforms, desc="resample"))]
        merged = scratch.path("merged.nii.gz")
        scratch.run(merge(moved, merged), merged)
        _keep_tr(merged, image)
        if source and out:
            _move_images(chain, source, out, merged)
        scratch.give(merged, out_bold)
    return scratch.record(
        "motion, unwarping and normalisation in one spline interpolation (convertwarp, applywarp)",
        **({"space": SPACE} if standard_warp else {}),
    )


@dataclass(frozen=True)
class _Chain:
    """What all volumes of a run share."""

    scratch: Scratch
    grid: Path
    gradient: Path | None
    standard: Path | None
    target: Path

    def volume(self, t: int, matrix: np.ndarray) -> Path:
        """Resample one volume; only the result is kept."""
        raw, moved = (self.scratch.path(f"{name}{t:04d}.nii.gz") for name in ("raw", "moved"))
        text, warp = self.scratch.path("volume.mat"), self.scratch.path("warp.nii.gz")
        write_matrix(text, matrix)
        self.scratch.run(volume_warp(self.grid, text, self.gradient, warp), warp)
        if self.standard:
            whole = self.scratch.path("whole.nii.gz")
            self.scratch.run(join_warps(self.target, warp, self.standard, whole), whole)
            warp = whole
        self.scratch.run(apply_warp(raw, self.target, warp, moved), moved)
        raw.unlink()
        return moved


def volume_warp(grid: Path, matrix: Path, gradient: Path | None, warp: Path) -> fsl.ConvertWarp:
    """``convertwarp`` of one volume: gradient warp, then its matrix, on the grid of the EPI."""
    joined = {"warp1": gradient, "relwarp": True, "postmat": matrix} if gradient else {"premat": matrix}
    return fsl.ConvertWarp(reference=grid, out_relwarp=True, out_file=warp, **joined)


def split(run: Path, base: Path) -> fsl.Split:
    """``fslsplit`` in time; the volumes are ``<base>0000.nii.gz`` and so on."""
    return fsl.Split(in_file=run, out_base_name=str(base), dimension="t")


def merge(moved: list[Path], result: Path) -> fsl.Merge:
    """``fslmerge`` in time."""
    return fsl.Merge(in_files=moved, dimension="t", merged_file=result)


def _keep_tr(path: Path, like: nib.Nifti1Image) -> None:
    """Give a merged run the repetition time of the raw one, which single volumes need not carry."""
    merged = open_bold(path)
    wanted, found = (image.header.get_zooms()[3] for image in (like, merged))
    if np.isclose(wanted, found) and merged.header.get_xyzt_units() == like.header.get_xyzt_units():
        return
    header = merged.header
    header.set_zooms((*header.get_zooms()[:3], wanted))
    header.set_xyzt_units(*like.header.get_xyzt_units())
    renamed = path.with_name("timed.nii.gz")
    with SeriesWriter(renamed, merged) as writer:
        for volume in volumes(merged):
            writer.write(volume)
    shutil.move(renamed, path)


def _move_images(chain: _Chain, source: Moved, out: Moved, merged: Path) -> None:
    """Bring mask, mean and bias field of the EPI to the template."""
    scratch, warp = chain.scratch, chain.standard
    assert warp is not None
    mask, mean = scratch.path("mask_moved.nii.gz"), scratch.path("mean_moved.nii.gz")
    inside = scratch.take(source.mask, "mask")
    scratch.run(apply_warp(inside, chain.target, warp, mask, "nn"), mask)
    scratch.run(temporal_mean(merged, mean), mean)
    image = nib.Nifti1Image.from_filename(mask)
    found = np.asarray(image.dataobj) > 0
    if not found.any():
        raise ImageError(
            scratch.subject,
            "has no brain inside the template: registration went astray",
            "look at the mean EPI; preprocess.registration: none keeps the run's own space",
        )
    with atomic(out.mask) as temporary:
        save_volume(temporary, found, image)
    scratch.give(mean, out.mean)
    if source.bias and out.bias:
        bias, field = scratch.take(source.bias, "bias"), scratch.path("bias_moved.nii.gz")
        scratch.run(apply_warp(bias, chain.target, warp, field, "trilinear"), field)
        scratch.give(field, out.bias)
