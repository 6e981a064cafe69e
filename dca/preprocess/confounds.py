"""Confounds of a run: head motion, its size, and how much the image changes from volume to volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dca.errors import ImageError, InputError
from dca.files import read_tsv, write_tsv
from dca.inputs.image import open_bold
from dca.preprocess.motion import DESCRIPTIONS as MOTION
from dca.preprocess.rigid import PARAMETERS
from dca.preprocess.series import read_mask, volumes

HEAD_RADIUS_MM = 50.0
DVARS_MEDIAN = 1000.0
DESCRIPTIONS = MOTION | {
    "framewise_displacement": "Sum of the absolute changes of the six motion parameters since the volume "
    "before, rotations as arcs on a sphere of 50 mm (Power et al. 2012), mm",
    "dvars": "Root mean square over in-mask voxels of the change since the volume before, "
    "for images scaled to an in-mask median of 1000 (Power et al. 2012), scaled image units",
    "std_dvars": "dvars over its expectation from each voxel's robust standard deviation and lag-1 "
    "autocorrelation (Nichols 2013), ratio",
    "global_signal": "Mean of the in-mask voxels, image units",
    "censored": "1: framewise displacement is above the limit, the volume is left out of fits; 0: it is not",
}
ORDER = (*PARAMETERS, "framewise_displacement", "dvars", "std_dvars", "global_signal", "censored")


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
    parameters: str | Path | None = None,
    given: str | Path | None = None,
    censor_fd_mm: float | None = None,
) -> dict[str, Any]:
    """Write the confounds TSV of one run, with its JSON sidecar.

    Columns: the motion parameters and ``framewise_displacement`` where motion is known, then
    ``dvars``, ``std_dvars`` and ``global_signal`` from the image. Columns that came with the input
    are kept as they are and take precedence.

    Parameters
    ----------
    bold : path
        4-D image after motion correction, before filtering.
    mask : path
        3-D mask on its grid.
    out : path
        Ends in ``.tsv``.
    parameters : path, optional
        Motion parameters from `dca.preprocess.motion.correct_motion`.
    given : path, optional
        Confounds TSV that came with an input that is preprocessed already, as from fMRIPrep.
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
    length = open_bold(bold).shape[3]
    series = _finite_series(bold, mask)
    plain, standardised = dvars(series)
    columns: dict[str, Any] = {
        "dvars": plain,
        "std_dvars": standardised,
        "global_signal": series.mean(axis=1, dtype=np.float64),
    }
    for path in (parameters, given):
        if path:
            columns |= _columns(path, length)
    if set(PARAMETERS) <= set(columns):
        motion = np.column_stack([columns[name] for name in PARAMETERS])
        columns.setdefault("framewise_displacement", framewise_displacement(motion))
        if censor_fd_mm is not None:
            columns["censored"] = (np.asarray(columns["framewise_displacement"]) > censor_fd_mm).astype(int)
    ours = [name for name in ORDER if name in columns]
    table = pd.DataFrame(columns)[ours + [name for name in columns if name not in ORDER]]
    described = {name: text for name, text in DESCRIPTIONS.items() if _describes(name, ours)}
    if len(ours) < len(columns):
        described["*"] = "Taken over from the confounds that came with the input"
    write_tsv(out, table, described)
    return {"step": "confounds", "given": str(given) if given else None} | _motion_summary(table)


def _columns(path: str | Path, length: int) -> dict[str, np.ndarray]:
    table = read_tsv(path)
    if len(table) != length:
        raise InputError(
            path,
            f"has {len(table)} rows, but the run has {length} volumes",
            "give one row per volume, with a header",
        )
    return {str(name): table[name].to_numpy() for name in table}


def _describes(key: str, names: list[str]) -> bool:
    return any(name.startswith(key[:-1]) if key.endswith("*") else name == key for name in names)


def _finite_series(bold: str | Path, mask: str | Path) -> np.ndarray:
    """In-mask series (T, N), float32, of the voxels that are finite throughout."""
    image = open_bold(bold)
    inside = read_mask(mask, image)
    series = np.empty((image.shape[3], int(inside.sum())), np.float32)
    for row, volume in zip(series, volumes(image), strict=True):
        row[:] = volume[inside]
    finite = np.isfinite(series).all(axis=0)
    if not finite.any():
        raise ImageError(bold, "has no in-mask voxel that is finite in every volume", "export the run again")
    return series if finite.all() else series[:, finite]


def _motion_summary(table: pd.DataFrame) -> dict[str, float | None]:
    if "framewise_displacement" not in table or table["framewise_displacement"].isna().all():
        return {"mean_fd_mm": None, "max_fd_mm": None, "percent_fd_above_0.5mm": None}
    fd = table["framewise_displacement"].dropna()
    return {
        "mean_fd_mm": float(fd.mean()),
        "max_fd_mm": float(fd.max()),
        "percent_fd_above_0.5mm": float(100 * (fd > 0.5).mean()),
    }
