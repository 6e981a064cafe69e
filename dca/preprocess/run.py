"""All steps of one run in a row, for use without the workflow (which has one rule per step)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dca.errors import ConfigError
from dca.preprocess.confounds import write_confounds
from dca.preprocess.figures import carpet
from dca.preprocess.highpass import highpass
from dca.preprocess.link import link
from dca.preprocess.mask import brain_mask, data_mask, given_mask
from dca.preprocess.motion import correct_motion
from dca.preprocess.regress import regress as take_out
from dca.preprocess.scale import scale
from dca.preprocess.smooth import smooth
from dca.preprocess.summary import write_summary

Record = dict[str, Any]


def preprocess_run(
    bold: str | Path,
    folder: str | Path,
    *,
    tr: float,
    backend: str = "native",
    highpass_s: float = 100,
    smooth_mm: float = 0,
    regress: str = "none",
    censor_fd_mm: float | None = None,
    mask: str | Path | None = None,
    confounds: str | Path | None = None,
    threads: int = 1,
) -> Record:
    """Preprocess one run as the workflow does.

    Parameters
    ----------
    bold : path
        4-D image.
    folder : path
        Receives ``desc-preproc_bold.nii.gz``, ``mask.nii.gz``, ``mean.nii.gz``, ``confounds.tsv``,
        ``summary.json`` and ``carpet.png``.
    tr : float
        Repetition time in seconds.
    backend : {"native", "none"}
    highpass_s, smooth_mm : float
        As in the settings; 0 = off. Of backend ``native`` only.
    regress, censor_fd_mm
        As in the settings. Of backend ``native`` only.
    mask, confounds : path, optional
        What came with an image that is preprocessed already. Of backend ``none`` only.
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
        If an input cannot be used, or a result cannot be written.
    """
    if backend not in ("native", "none"):
        raise ConfigError(
            "preprocess.backend", f"`{backend}` runs in the workflow only", "use snakemake, or native or none"
        )
    folder = Path(folder)
    out, inside, mean = (folder / name for name in ("desc-preproc_bold.nii.gz", "mask.nii.gz", "mean.nii.gz"))
    table = folder / "confounds.tsv"
    with tempfile.TemporaryDirectory() as scratch:
        parameters = folder / "motion.tsv" if backend == "native" else None
        if parameters:
            aligned = Path(scratch, "motion.nii.gz")
            records = [
                correct_motion(bold, aligned, parameters, mean, threads=threads),
                brain_mask(mean, inside),
            ]
            limit = None if regress == "none" else censor_fd_mm
            found = write_confounds(aligned, inside, table, parameters=parameters, censor_fd_mm=limit)
            later = _later_steps(inside, tr, 0 if regress != "none" else highpass_s, smooth_mm, threads)
            if regress != "none":
                later.append(
                    lambda source, to: take_out(source, table, to, kind=regress, tr=tr, highpass_s=highpass_s)
                )
            image = aligned
            for number, step in enumerate(later, start=1):
                target = out if number == len(later) else Path(scratch, f"{number}.nii.gz")
                records.append(step(image, target))
                image = target
            records.append(found)
        else:
            records = [link(bold, out, mean)]
            records.append(given_mask(mask, bold, inside) if mask else data_mask(bold, inside))
            records.append(write_confounds(out, inside, table, given=confounds))
    carpet(bold, out, inside, table, folder / "carpet.png", tr=tr, title=folder.name)
    return write_summary(
        folder / "summary.json", out, inside, run_id=folder.name, backend=backend, steps=records
    )


def _later_steps(
    mask: Path, tr: float, highpass_s: float, smooth_mm: float, threads: int
) -> list[Callable[[Path, Path], Record]]:
    """Steps after motion correction, in order, each from an image to an image."""
    steps: list[Callable[[Path, Path], Record]] = [lambda source, to: scale(source, mask, to)]
    if smooth_mm:
        steps.append(lambda source, to: smooth(source, to, fwhm_mm=smooth_mm))
    if highpass_s:
        steps.append(lambda source, to: highpass(source, to, tr=tr, highpass_s=highpass_s, threads=threads))
    return steps
