"""Confounds of a run, by fMRIPrep's names: head motion, changes of the image, tissue signals, drift."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from dca.errors import ImageError, InputError
from dca.files import write_tsv
from dca.inputs.confounds import read_confounds
from dca.inputs.image import open_bold, open_mask
from dca.preprocess.compcor import tissue_signals
from dca.preprocess.motion import DESCRIPTIONS as MOTION
from dca.preprocess.regress import cosine_drift
from dca.preprocess.rigid import PARAMETERS
from dca.preprocess.series import read_mask, volumes

HEAD_RADIUS_MM = 50.0
DVARS_MEDIAN = 1000.0
CHANGES = {
    "framewise_displacement": "Sum of the absolute changes of the six motion parameters since the volume "
    "before, rotations as arcs on a sphere of 50 mm (Power et al. 2012), mm",
    "dvars": "Root mean square over in-mask voxels of the change since the volume before, "
    "for images scaled to an in-mask median of 1000 (Power et al. 2012), scaled image units",
    "std_dvars": "dvars over its expectation from each voxel's robust standard deviation and lag-1 "
    "autocorrelation (Nichols 2013), ratio",
}
GLOBAL = "global_signal"
CENSORED = "1: framewise displacement is above the limit, the volume is left out of fits; 0: it is not"
COSINE = "Cosine of drift; the periods end at that of the high-pass filter, no unit"
EXPANDED = (*PARAMETERS, GLOBAL, "csf", "white_matter")  # these have differences and squares too
EXPANSIONS = {
    "derivative1": "Change since the volume before",
    "derivative1_power2": "Square of the change since the volume before",
    "power2": "Square",
}


def framewise_displacement(parameters: np.ndarray, radius_mm: float = HEAD_RADIUS_MM) -> np.ndarray:
    """Framewise displacement of Power et al. (2012), NeuroImage 59:2142.

    Parameters
    ----------
    parameters : ndarray, shape (T, 6)
        Three translations in mm and three rotations in radians.
    radius_mm : float
        Radius of the sphere on which rotations are turned into mm.

    Returns
    -------
    ndarray, float64, shape (T,)
        In mm; NaN for the first volume.
    """
    change = np.abs(np.diff(np.asarray(parameters, dtype=np.float64), axis=0))
    change[:, 3:] *= radius_mm
    return np.concatenate([[np.nan], change.sum(axis=1)])


def dvars(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DVARS, as it is and standardised, by the formulas of nipype's ComputeDVARS.

    The series are scaled to a median of 1000, where the median is positive. Standardised DVARS
    divides by the mean over voxels of sqrt(2 (1 - r1)) s, with r1 the lag-1 autocorrelation and
    s = IQR / 1.349 (Nichols 2013,
    "Notes on creating a standardized version of DVARS").

    Parameters
    ----------
    series : ndarray, shape (T, N)
        Finite in-mask series; voxels whose IQR is 0 are left out.

    Returns
    -------
    dvars, std_dvars : ndarray, float64, shape (T,)
        NaN for the first volume; all NaN if no voxel varies.
    """
    length, count = series.shape
    squares, kept, expected = np.zeros(length - 1), 0, 0.0
    median = float(np.median(series))
    factor = DVARS_MEDIAN / median if median > 0 else 1.0
    for start in range(0, count, 2048):
        block = series[:, start : start + 2048].astype(np.float64) * factor
        low, high = np.percentile(block, [25, 75], axis=0, method="lower")
        varies = high > low
        block, spread = block[:, varies], (high - low)[varies] / 1.349
        squares += np.square(np.diff(block, axis=0)).sum(axis=1)
        block -= block.mean(axis=0)
        lag1 = (block[1:] * block[:-1]).sum(axis=0) / np.square(block).sum(axis=0)
        expected += float((np.sqrt(2 * (1 - lag1)) * spread).sum())
        kept += int(varies.sum())
    if not kept:
        return np.full(length, np.nan), np.full(length, np.nan)
    plain = np.concatenate([[np.nan], np.sqrt(squares / kept)])
    return plain, plain / (expected / kept)


def write_confounds(
    bold: str | Path,
    mask: str | Path,
    out: str | Path,
    *,
    tr: float,
    highpass_s: float = 0,
    parameters: str | Path | None = None,
    tissue: Mapping[str, str | Path] | None = None,
    given: str | Path | None = None,
    censor_fd_mm: float | None = None,
) -> dict[str, Any]:
    """Write the confounds TSV of one run, with its JSON sidecar, by the names that fMRIPrep uses.

    Columns: the motion parameters where motion is known, ``global_signal``, and ``csf``,
    ``white_matter`` where tissue is, each with ``_derivative1``, ``_power2`` and
    ``_derivative1_power2``; ``framewise_displacement``, ``dvars``, ``std_dvars``; aCompCor
    (``a_comp_cor_00`` …) where tissue is known; cosines (``cosine00`` …). Columns that came with the
    input are kept as they are and take precedence, and cosines among them are not mixed with others.

    Parameters
    ----------
    bold : path
        4-D image after motion correction, before filtering.
    mask : path
        3-D mask on its grid.
    out : path
        Ends in ``.tsv``.
    tr : float
        Repetition time in seconds.
    highpass_s : float
        Period in seconds down to which there are cosines; 0 = none.
    parameters : path, optional
        Motion parameters from `dca.preprocess.motion.correct_motion`.
    tissue : mapping of path, optional
        ``csf`` and ``white_matter`` to masks, from `dca.preprocess.tissue.find_tissue`; empty ones give no
        column.
    given : path, optional
        Confounds that came with an input that is preprocessed already: a TSV, as from fMRIPrep, or HCP's
        ``Movement_Regressors.txt``.
    censor_fd_mm : float, optional
        Mark volumes with a larger framewise displacement in the column ``censored``.

    Returns
    -------
    dict
        Record of this step for the run's summary, with ``mean_fd_mm``, ``max_fd_mm`` and
        ``percent_fd_above_0.5mm`` (None where motion is unknown).

    Raises
    ------
    ImageError
        If no in-mask voxel is finite throughout.
    InputError
        If a table does not have one row per volume.
    """
    image = open_bold(bold)
    length = image.shape[3]
    masks = {name: _mask_or_empty(path, image) for name, path in (tissue or {}).items()}
    series = _finite_series(image, {"brain": read_mask(mask, image), **masks})
    brain = series.pop("brain")
    if not brain.shape[1]:
        raise ImageError(bold, "has no in-mask voxel that is finite in every volume", "export the run again")
    plain, standardised = dvars(brain)
    columns: dict[str, Any] = {
        "dvars": plain,
        "std_dvars": standardised,
        GLOBAL: brain.mean(axis=1, dtype=np.float64),
    }
    del brain
    signals, described = tissue_signals(series, tr=tr, highpass_s=highpass_s)
    columns |= signals
    brought = _columns(given, length) if given else {}
    if parameters:
        columns |= _columns(parameters, length)
    columns |= brought
    if set(PARAMETERS) <= set(columns):
        motion = np.column_stack([columns[name] for name in PARAMETERS])
        columns.setdefault("framewise_displacement", framewise_displacement(motion))
        if censor_fd_mm is not None:
            columns["censored"] = (np.asarray(columns["framewise_displacement"]) > censor_fd_mm).astype(int)
    if not any(name.startswith("cosine") for name in brought):
        drift = cosine_drift(length, tr, highpass_s)
        columns |= {f"cosine{number:02d}": column for number, column in enumerate(drift.T)}
    columns = _expanded(columns) | columns
    ours = _order(columns)
    table = pd.DataFrame(columns)[ours + [name for name in columns if name not in ours]]
    said = {name: described.get(name) or _describe(name) for name in ours if name not in brought}
    said |= dict.fromkeys(brought, "Taken over from the confounds that came with the input")
    write_tsv(out, table, {str(name): said[str(name)] for name in table})
    return {"step": "confounds", "given": str(given) if given else None} | _motion_summary(table)


def _expanded(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Differences (n/a at first) and squares of the columns that have them."""
    found = {}
    for name in EXPANDED:
        if name in columns:
            values = np.asarray(columns[name], dtype=np.float64)
            change = np.concatenate([[np.nan], np.diff(values)])
            for kind, expansion in zip(EXPANSIONS, (change, change**2, values**2), strict=True):
                found[f"{name}_{kind}"] = expansion
    return found


def _order(columns: Mapping[str, Any]) -> list[str]:
    """Names of ours among the columns, in the order of the table."""
    names = [name for base in EXPANDED for name in (base, *(f"{base}_{kind}" for kind in EXPANSIONS))]
    runs = [name for start in ("a_comp_cor_", "cosine") for name in columns if name.startswith(start)]
    motion = len(PARAMETERS) * (1 + len(EXPANSIONS))
    return [
        name for name in [*names[:motion], *CHANGES, *names[motion:], *runs, "censored"] if name in columns
    ]


def _describe(name: str) -> str:
    base = next((base for base in EXPANDED if name.startswith(f"{base}_")), None)
    if base:
        return f"{EXPANSIONS[name.removeprefix(f'{base}_')]} of {base}"
    if name in PARAMETERS:
        return MOTION[f"{name[:-1]}*"]
    if name.startswith("cosine"):
        return COSINE
    return {**CHANGES, GLOBAL: "Mean of the in-mask voxels, image units", "censored": CENSORED}[name]


def _columns(path: str | Path, length: int) -> dict[str, np.ndarray]:
    table = read_confounds(path)
    if len(table) != length:
        raise InputError(
            path,
            f"has {len(table)} rows, but the run has {length} volumes",
            "give one row per volume, with a header",
        )
    return {str(name): table[name].to_numpy() for name in table}


def _mask_or_empty(path: str | Path, image: nib.Nifti1Image) -> np.ndarray:
    """Mask of a tissue, which may be empty."""
    return np.asarray(open_mask(path, image).dataobj).reshape(image.shape[:3]) > 0


def _finite_series(image: nib.Nifti1Image, masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Series (T, N), float32, in each mask, of the voxels that are finite throughout."""
    series = {
        name: np.empty((image.shape[3], np.count_nonzero(mask)), np.float32) for name, mask in masks.items()
    }
    for t, volume in enumerate(volumes(image)):
        for name, mask in masks.items():
            series[name][t] = volume[mask]
    for name, found in series.items():
        finite = np.isfinite(found).all(axis=0)
        if not finite.all():
            series[name] = found[:, finite]
    return series


def _motion_summary(table: pd.DataFrame) -> dict[str, float | None]:
    if "framewise_displacement" not in table or table["framewise_displacement"].isna().all():
        return {"mean_fd_mm": None, "max_fd_mm": None, "percent_fd_above_0.5mm": None}
    fd = table["framewise_displacement"].dropna()
    return {
        "mean_fd_mm": float(fd.mean()),
        "max_fd_mm": float(fd.max()),
        "percent_fd_above_0.5mm": float(100 * (fd > 0.5).mean()),
    }
