"""All steps of one run in a row, for use without the workflow (which has one rule per step)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dca.errors import ConfigError
from dca.preprocess.anatomy import find_t1w
from dca.preprocess.bias import bias_field as estimate_bias
from dca.preprocess.confounds import write_confounds
from dca.preprocess.figures import carpet, tsnr
from dca.preprocess.highpass import highpass
from dca.preprocess.link import link
from dca.preprocess.mask import brain_mask, data_mask, given_mask
from dca.preprocess.motion import correct_motion
from dca.preprocess.register import register_to_template
from dca.preprocess.regress import check_tissue
from dca.preprocess.regress import regress as take_out
from dca.preprocess.resample import OnGrid, resample
from dca.preprocess.scale import scale
from dca.preprocess.slice_timing import correct_slice_timing, read_slice_times
from dca.preprocess.smooth import smooth
from dca.preprocess.summary import write_summary
from dca.preprocess.tissue import find_tissue
from dca.preprocess.warp import warp_to_template

Record = dict[str, Any]


def preprocess_run(
    bold: str | Path,
    folder: str | Path,
    *,
    tr: float,
    backend: str = "native",
    slice_timing: bool = False,
    bias_field: bool = True,
    registration: str = "none",
    template_mm: int = 2,
    highpass_s: float = 100,
    smooth_mm: float = 0,
    regress: str = "none",
    censor_fd_mm: float | None = None,
    mask: str | Path | None = None,
    confounds: str | Path | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Record:
    """Preprocess one run as the workflow does.

    Parameters
    ----------
    bold : path
        4-D image. If it lies in a BIDS dataset with a T1w image of its subject, that is used.
    folder : path
        Receives ``desc-preproc_bold.nii.gz``, ``mask.nii.gz``, ``mean.nii.gz``, ``confounds.tsv``,
        ``summary.json``, and ``carpet`` and ``tsnr``, each as PNG, SVG and PDF.
    tr : float
        Repetition time in seconds.
    backend : {"native", "none"}
    slice_timing, bias_field, registration, template_mm, highpass_s, smooth_mm, regress, censor_fd_mm
        As in the settings. Of backend ``native`` only.
    mask, confounds : path, optional
        What came with an image that is preprocessed already. Of backend ``none`` only.
    seed : int
        Of the tissue's classification.
    threads : int

    Returns
    -------
    dict
        The content of summary.json.

    Raises
    ------
    ConfigError
        For backend ``fsl``, each of whose steps is a rule.
    DCAError
        If an input cannot be used or is missing, or a result cannot be written.
    """
    if backend not in ("native", "none"):
        raise ConfigError(
            "preprocess.backend", f"`{backend}` runs in the workflow only", "use snakemake, or native or none"
        )
    if backend == "native":
        check_tissue(regress, {Path(bold).name: find_t1w(bold)}, bold)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    out, table = folder / "desc-preproc_bold.nii.gz", folder / "confounds.tsv"
    end = OnGrid(folder / "mask.nii.gz", folder / "mean.nii.gz")
    start = end  # mask and mean on the grid that was scanned
    with tempfile.TemporaryDirectory() as scratch:
        if backend == "none":
            records = [link(bold, out, end.mean)]
            records.append(given_mask(mask, bold, end.mask) if mask else data_mask(bold, end.mask))
            records.append(
                write_confounds(out, end.mask, table, tr=tr, highpass_s=highpass_s, given=confounds)
            )
        else:
            native = _Native(Path(bold), folder, Path(scratch), tr, seed, threads, end, [])
            source, start, field = native.align(slice_timing, bias_field, registration != "none")
            if registration != "none":
                deforms = registration == "nonlinear"
                aligned, field = native.normalise(source, start, field, template_mm, deforms)
            else:
                aligned = native.scratch / "motion.nii.gz"
            limit = None if regress == "none" else censor_fd_mm
            found = native.confounds(aligned, table, registration != "none", highpass_s, limit)
            native.finish(aligned, field, out, smooth_mm, highpass_s, regress)
            records = [*native.records, found]
    title = folder.name
    carpet(bold, out, end.mask, table, folder / "carpet.png", tr=tr, title=title, raw_mask=start.mask)
    tsnr(bold, start.mask, out, end.mask, folder / "tsnr.png", title=title)
    return write_summary(folder / "summary.json", out, end.mask, run_id=title, backend=backend, steps=records)


@dataclass(frozen=True)
class _Native:
    """One run on its way through the steps of backend ``native``, which add to its records."""

    bold: Path
    folder: Path
    scratch: Path
    tr: float
    seed: int
    threads: int
    end: OnGrid
    records: list[Record]

    @property
    def motion(self) -> Path:
        return self.folder / "motion.tsv"

    def align(
        self, slice_timing: bool, bias_field: bool, registers: bool
    ) -> tuple[Path, OnGrid, Path | None]:
        """Slice timing, motion, mask, bias field: what was aligned, its mask and mean, the field."""
        source, prefix = self.bold, "desc-epi_" if registers else ""
        grid = OnGrid(self.folder / f"{prefix}mask.nii.gz", self.folder / f"{prefix}mean.nii.gz")
        if slice_timing:
            times, axis = read_slice_times(self.bold, self.tr)
            source = self.scratch / "slicetiming.nii.gz"
            self.records.append(correct_slice_timing(self.bold, source, tr=self.tr, times=times, axis=axis))
        aligned = self.scratch / "motion.nii.gz"
        self.records.append(correct_motion(source, aligned, self.motion, grid.mean, threads=self.threads))
        self.records.append(brain_mask(grid.mean, grid.mask))
        field = self.scratch / "bias.nii.gz" if bias_field else None
        if field:
            self.records.append(estimate_bias(grid.mean, grid.mask, field, threads=self.threads))
        return source, grid, field

    def normalise(
        self, source: Path, grid: OnGrid, field: Path | None, voxel_mm: int, deforms: bool
    ) -> tuple[Path, Path | None]:
        """Registration and resampling: the run and its bias field on the template's grid."""
        matrix, moved = self.folder / "standard2epi.txt", self.scratch / "resample.nii.gz"
        self.records.append(
            register_to_template(grid.mean, grid.mask, matrix, bias=field, threads=self.threads)
        )
        warp = self.folder / "standard2epi.nii.gz" if deforms else None
        if warp:
            self.records.append(
                warp_to_template(grid.mean, grid.mask, matrix, warp, bias=field, threads=self.threads)
            )
        there = self.scratch / "bias_moved.nii.gz" if field else None
        before, after = replace(grid, bias=field), replace(self.end, bias=there)
        self.records.append(
            resample(source, self.motion, matrix, moved, before, after, voxel_mm=voxel_mm, warp=warp)
        )
        return moved, there

    def confounds(
        self, aligned: Path, table: Path, normalised: bool, highpass_s: float, limit: float | None
    ) -> Record:
        """Tissue where there is a T1w image, and the table."""
        tissue, t1w = {}, find_t1w(self.bold)
        if t1w:
            tissue = {name: self.folder / f"desc-{name}_mask.nii.gz" for name in ("csf", "white_matter")}
            self.records.append(
                find_tissue(
                    self.end.mean,
                    self.end.mask,
                    t1w,
                    tissue["csf"],
                    tissue["white_matter"],
                    normalised=normalised,
                    seed=self.seed,
                    threads=self.threads,
                )
            )
        return write_confounds(
            aligned,
            self.end.mask,
            table,
            tr=self.tr,
            highpass_s=highpass_s,
            parameters=self.motion,
            tissue=tissue,
            censor_fd_mm=limit,
        )

    def finish(
        self, aligned: Path, field: Path | None, out: Path, smooth_mm: float, highpass_s: float, regress: str
    ) -> None:
        """Steps after alignment, in order, each from an image to an image."""
        mask, table = self.end.mask, self.folder / "confounds.tsv"
        steps: list[Callable[[Path, Path], Record]] = [lambda a, b: scale(a, mask, b, bias=field)]
        if smooth_mm:
            steps.append(lambda a, b: smooth(a, b, fwhm_mm=smooth_mm))
        if regress != "none":
            steps.append(lambda a, b: take_out(a, table, b, kind=regress, tr=self.tr, highpass_s=highpass_s))
        elif highpass_s:
            steps.append(lambda a, b: highpass(a, b, tr=self.tr, highpass_s=highpass_s, threads=self.threads))
        for number, step in enumerate(steps, start=1):
            target = out if number == len(steps) else self.scratch / f"{number}.nii.gz"
            self.records.append(step(aligned, target))
            aligned = target
