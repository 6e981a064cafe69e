"""Confound regression: drift, head motion and tissue signals taken out of every voxel in one least squares.

Cosines take the place of the high-pass filter, so that neither brings back what the other took out
(Hallquist et al. 2013, NeuroImage 82:208). Censored volumes have no part in the fit; afterwards they
are interpolated linearly between their neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dca.errors import ConfigError, InputError
from dca.files import atomic, read_tsv
from dca.inputs.image import open_bold
from dca.preprocess.anatomy import require_t1w
from dca.preprocess.rigid import PARAMETERS
from dca.preprocess.series import SeriesWriter, volumes

KINDS = ("none", "drift", "motion6", "motion24", "motion24_tissue", "motion24_compcor")
# Which columns, and how many there must be.
TISSUE = {"motion24_tissue": ("csf|white_matter", 2), "motion24_compcor": (r"a_comp_cor_\d+", 1)}
CENSORED = "censored"
RANK = 1e-6  # singular values below this share of the largest are rounding


def check_tissue(kind: str, t1w: Mapping[str, Path | None], source: str | Path) -> None:
    """Refuse a regression of tissue signals where they cannot be had, before anything is computed.

    Parameters
    ----------
    kind : str
        As for `nuisance_terms`.
    t1w : mapping
        Subject label to its T1w image, None without.
    source : path
        What to name in an error: the user's file.

    Raises
    ------
    InputError
        If `kind` needs a T1w image, and a subject has none.
    """
    if kind in TISSUE:
        require_t1w(t1w, f"preprocess.regress: {kind}", "preprocess.regress: motion24", source)


def nuisance_terms(table: pd.DataFrame, kind: str, subject: str | Path = "confounds") -> pd.DataFrame:
    """Columns of a kind of regression, without drift.

    Parameters
    ----------
    table : DataFrame
        Confounds with the columns that `kind` asks for.
    kind : str
        ``drift``: none. ``motion6``: the six motion terms. ``motion24``: the six, their backward
        differences (0 at first), and the squares of all, by fMRIPrep's names. ``motion24_tissue``:
        these and the means ``csf`` and ``white_matter``. ``motion24_compcor``: these 24 and
        aCompCor, ``a_comp_cor_00`` and so on.
    subject : path
        What to name in errors.

    Returns
    -------
    DataFrame, float64, shape (T, K)

    Raises
    ------
    InputError
        If the table lacks columns.
    """
    if kind == "drift":
        return pd.DataFrame(index=table.index)
    six = table[list(PARAMETERS)].astype(float)
    if kind == "motion6":
        return six
    change = six.diff().fillna(0.0).add_suffix("_derivative1")
    both = pd.concat([six, change], axis=1)
    motion = pd.concat([both, (both**2).add_suffix("_power2")], axis=1)
    if kind == "motion24":
        return motion
    pattern, fewest = TISSUE[kind]
    tissue = [name for name in table if re.fullmatch(pattern, str(name))]
    if len(tissue) < fewest:
        raise InputError(
            subject,
            f"lacks columns {pattern}, which come from a T1w image: there is none, or it shows too little",
            "look at the log of step tissue, or set preprocess.regress: motion24",
        )
    return pd.concat([motion, table[tissue].astype(float)], axis=1)


def kept_volumes(table: pd.DataFrame) -> np.ndarray:
    """Volumes that are not censored, bool, shape (T,)."""
    if CENSORED not in table:
        return np.ones(len(table), dtype=bool)
    return table[CENSORED].to_numpy(float) == 0


def cosine_drift(length: int, tr: float, highpass_s: float) -> np.ndarray:
    """Cosines with periods down to `highpass_s` seconds, without the constant, float64, shape (T, K)."""
    from nilearn.signal import create_cosine_drift

    if highpass_s <= 0:
        return np.empty((length, 0))
    return create_cosine_drift(1 / highpass_s, np.arange(length) * tr)[:, :-1]


def residual_operator(
    table: pd.DataFrame, kind: str, *, tr: float, highpass_s: float, subject: str | Path = "confounds"
) -> np.ndarray:
    """Matrix that takes the confounds out of a series and keeps its mean.

    With X the centred confounds and cosines of the kept volumes: y - X X⁺ y there, and the line
    between the neighbours at censored volumes.

    Parameters
    ----------
    table : DataFrame, T rows
        From `dca.preprocess.confounds`; ``censored`` marks the volumes to leave out, if there.
    kind : str
        As for `nuisance_terms`.
    tr : float
        In seconds.
    highpass_s : float
        Period in seconds down to which cosines are taken out; 0 = none.
    subject : path
        What to name in errors.

    Returns
    -------
    ndarray, float64, shape (T, T)

    Raises
    ------
    InputError
        If no degrees of freedom are left, or the confounds lack columns or have missing values.
    """
    length, kept = len(table), kept_volumes(table)
    columns = nuisance_terms(table, kind, subject).to_numpy(float)
    if not np.isfinite(columns).all():
        raise InputError(
            subject, "has missing values in the columns to take out", "set preprocess.regress: drift"
        )
    columns = np.hstack([columns, cosine_drift(length, tr, highpass_s)])
    known = int(kept.sum())
    if known <= columns.shape[1] + 1:
        raise InputError(
            subject,
            f"leaves {known} volumes for {columns.shape[1] + 1} confounds",
            "raise preprocess.censor_fd_mm, or choose fewer confounds with preprocess.regress",
        )
    basis = columns[kept] - columns[kept].mean(axis=0)
    spread = np.linalg.norm(basis, axis=0)
    left, size, _ = np.linalg.svd(basis[:, spread > 0] / spread[spread > 0], full_matrices=False)
    left = left[:, size > RANK * size.max(initial=0)]
    fitted = np.eye(known) - left @ left.T
    return _between(kept) @ fitted @ np.eye(length)[kept]


def _between(kept: np.ndarray) -> np.ndarray:
    """Matrix (T, kept) of linear interpolation in time from kept volumes to all."""
    at = np.flatnonzero(kept)
    return np.column_stack([np.interp(np.arange(len(kept)), at, unit) for unit in np.eye(len(at))])


def regress(
    bold: str | Path, confounds: str | Path, out: str | Path, *, kind: str, tr: float, highpass_s: float
) -> dict[str, Any]:
    """Take confounds and drift out of every voxel of a run and keep its temporal mean.

    Parameters
    ----------
    bold : path
        4-D image, aligned and not filtered.
    confounds : path
        Its table, from `dca.preprocess.confounds.write_confounds`.
    out : path
        The residuals with the mean, float32. Voxels with a non-finite value are NaN.
    kind, tr, highpass_s
        As for `residual_operator`.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ConfigError
        For an unknown kind.
    InputError
        If the confounds cannot be used.
    ImageError
        If `bold` cannot be used.
    """
    if kind not in KINDS[1:]:
        raise ConfigError(
            "preprocess.regress", f"unknown choice `{kind}`", f"choose one of {', '.join(KINDS)}"
        )
    image, table = open_bold(bold), read_tsv(confounds)
    if len(table) != image.shape[3]:
        raise InputError(
            confounds, f"has {len(table)} rows for {image.shape[3]} volumes", "give one row per volume"
        )
    operator = residual_operator(table, kind, tr=tr, highpass_s=highpass_s, subject=confounds)
    series = np.empty((image.shape[3], int(np.prod(image.shape[:3]))), dtype=np.float32)
    for row, volume in zip(series, volumes(image), strict=True):
        row[:] = volume.ravel(order="F")
    for start in range(0, series.shape[1], 4096):  # in place: one run is the memory that this step needs
        block = series[:, start : start + 4096]
        block[:] = operator @ block.astype(np.float64)
    with atomic(out) as temporary, SeriesWriter(temporary, image) as writer:
        for row in series:
            writer.write(row.reshape(image.shape[:3], order="F"))
    return {
        "step": "regress",
        "method": "least squares on confounds and cosines, mean kept; censored volumes interpolated",
        "regress": kind,
        "highpass_s": highpass_s,
        "censored_volumes": int((~kept_volumes(table)).sum()),
    }
