"""Fit of the general linear model to one run's shard: z, effect and variance maps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from tqdm import tqdm

from dca.errors import ConfigError, InputError
from dca.files import read_tsv, write_json, write_tsv
from dca.glm.contrasts import Contrasts, contrast_vectors
from dca.glm.design import LINE, Design, make_design
from dca.glm.response import SLICE_TIME_REF
from dca.inputs.events import read_events
from dca.preprocess.regress import kept_volumes, nuisance_terms, residual_operator
from dca.preprocess.rigid import PARAMETERS
from dca.provenance import package_version
from dca.signals import Shard

CONFOUNDS = ("motion", "none")
NOISE = ("ar1", "ols")
Z_THRESHOLD = 3.1  # one-sided p = 0.001
BLOCK_BYTES = 2**24  # float64 of one block of series; the fit holds about ten such arrays

COLUMNS = {
    "trans_*": "Translation, filtered as the data (mm)",
    "rot_*": "Rotation, filtered as the data (radians)",
    "drift_*": "Cosine that takes up drift, or (0) the line that was taken out of the data (unit norm)",
    "constant": "Intercept",
    "*": "Event convolved with the response model, filtered as the data",
}

log = logging.getLogger(__name__)


def fit_run(
    shard: str | Path,
    events: str | Path,
    confounds: str | Path | None,
    out_folder: str | Path,
    *,
    hrf: str = "spm",
    noise: str = "ar1",
    confounds_kind: str = "motion",
    contrasts: Contrasts | None = None,
    highpass_s: float = 100,
    filtered: bool = True,
    regress: str = "none",
) -> dict[str, Any]:
    """Fit one run and write its maps, design and summary.

    The fit is nilearn's `run_glm` on blocks of rows: the same as a `FirstLevelModel` of the same images
    with this design. Series are fitted as normalised in the shard, and the scale is put back in.

    Parameters
    ----------
    shard : path
        From `signals`.
    events : path
        BIDS events of the run.
    confounds : path, optional
        One row per volume of the run, before any cropping.
    out_folder : path
        Receives ``design.tsv``, ``<name>_z.nii.gz``, ``<name>_effect.nii.gz``, ``<name>_variance.nii.gz``
        for every event and contrast, and ``summary.json``.
    hrf : str
        ``spm`` or ``glover``.
    noise : str
        ``ar1`` or ``ols``.
    confounds_kind : str
        ``motion``: the six motion columns, as far as the run has them. ``none``.
    contrasts : mapping, optional
        Name → {event: weight}.
    highpass_s : float
        Cut-off in seconds, 0 = off.
    filtered : bool
        Whether our filter made the data; otherwise drift columns are added.
    regress : str
        Confounds that were taken out of the data with the drift. They are in the design again, in place
        of `confounds_kind`: so the fit is that of the data before, with its degrees of freedom.

    Returns
    -------
    dict
        The content of ``summary.json``.

    Raises
    ------
    ConfigError
        For an unknown setting, or a contrast of unknown events.
    EventsError
        If the events are invalid or cannot be estimated.
    InputError
        If the confounds do not fit the run.
    """
    for name, value, known in (("noise", noise, NOISE), ("confounds", confounds_kind, CONFOUNDS)):
        if value not in known:
            raise ConfigError(f"glm.{name}", f"unknown choice `{value}`", f"choose one of {', '.join(known)}")
    out_folder = Path(out_folder)
    with Shard(shard) as data:
        table = _read_confounds(confounds, data.length)
        volumes = data.length if table is None else len(table)
        motion = None if table is None or confounds_kind == "none" else _motion(table, confounds)
        operator = kept = None
        if table is not None and regress != "none":
            motion, kept = nuisance_terms(table, regress, str(confounds)), kept_volumes(table)
            operator = residual_operator(
                table, regress, tr=data.tr, highpass_s=highpass_s, subject=str(confounds)
            )
        design = make_design(
            read_events(events, volumes * data.tr),
            volumes,
            data.tr,
            hrf=hrf,
            confounds=motion,
            highpass_s=highpass_s,
            filtered=filtered,
            length=data.length,
            operator=operator,
            detrended=data.detrended,
            kept=kept,
            subject=events,
        )
        vectors = contrast_vectors(design, contrasts or {})
        rows = slice(None) if kept is None else np.flatnonzero(kept[: data.length])
        maps, dof = _fit(data, design, vectors, noise, rows)
        for name, statistics in maps.items():
            for kind, values in statistics.items():
                data.save_volume(out_folder / f"{name}_{kind}.nii.gz", values)
        write_tsv(out_folder / "design.tsv", design.table, COLUMNS)
        summary = {
            "run_id": data.run_id,
            "volumes": data.length,
            "censored_volumes": 0 if kept is None else int((~kept[: data.length]).sum()),
            "voxels": data.n_voxels,
            "tr": data.tr,
            "space": data.space,
            "hrf": hrf,
            "noise": noise,
            "slice_time_ref": SLICE_TIME_REF,
            "highpass_s": highpass_s,
            "drift": _drift(design, filtered and highpass_s > 0),
            "detrended": data.detrended,
            **_describe(design),
            "dof": dof,
            "contrasts": {name: dict(terms) for name, terms in (contrasts or {}).items()},
            "maps": {name: _peak(data, statistics["z"]) for name, statistics in maps.items()},
            "versions": {"nilearn": package_version("nilearn")},
        }
    write_json(out_folder / "summary.json", summary)
    return summary


def _read_confounds(path: str | Path | None, length: int) -> pd.DataFrame | None:
    if path is None:
        return None
    table = read_tsv(path)
    if len(table) < length:
        raise InputError(path, f"has {len(table)} rows for {length} volumes", "give one row per volume")
    return table


def _motion(table: pd.DataFrame, path: str | Path | None) -> pd.DataFrame | None:
    """Pick the motion columns of a confounds table; None if it has none."""
    names = [name for name in PARAMETERS if name in table]
    motion = table[names].apply(pd.to_numeric, errors="coerce")
    holes = [name for name in names if not np.isfinite(motion[name]).all()]
    if holes:
        raise InputError(
            str(path), f"has missing values in {', '.join(holes)}", "fill them, or set glm.confounds: none"
        )
    return motion if names else None


def _fit(
    shard: Shard, design: Design, vectors: Mapping[str, np.ndarray], noise: str, volumes: slice | np.ndarray
) -> tuple[dict[str, dict[str, np.ndarray]], float]:
    """Fit block by block: maps as float32 by row, in the units of the images, and degrees of freedom."""
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import run_glm

    matrix = design.table.to_numpy()[volumes]
    maps = {
        name: {kind: np.empty(shard.n_voxels, np.float32) for kind in ("z", "effect", "variance")}
        for name in vectors
    }
    rows = max(1, BLOCK_BYTES // (8 * shard.length))
    blocks = tqdm(shard.blocks(rows), "GLM", -(-shard.n_voxels // rows), unit="block", delay=2)
    dof = 0.0
    for start, block in blocks:
        labels, results = run_glm(block.T[volumes].astype(np.float64), matrix, noise_model=noise)
        part = slice(start, start + len(block))
        scale = shard.std[part].astype(np.float64)
        for name, vector in vectors.items():
            contrast = compute_contrast(labels, results, vector, stat_type="t")
            maps[name]["z"][part] = contrast.z_score()
            maps[name]["effect"][part] = contrast.effect * scale
            maps[name]["variance"][part] = contrast.variance * scale**2
            dof = float(contrast.dof)
    return maps, dof


def _drift(design: Design, filtered: bool) -> str:
    """What takes up slow drift in data or fit."""
    return "cosine" if {*design.drifts} - {LINE} else "filter" if filtered else "none"


def _describe(design: Design) -> dict[str, Any]:
    """Describe the design for the summary."""
    collinearity = design.collinearity()
    return {
        "events": list(design.events),
        "confounds": list(design.confounds),
        "drifts": len(design.drifts),
        "dropped_columns": design.dropped,
        "max_event_correlation": None if collinearity is None else round(collinearity[0], 4),
        "most_correlated_events": None if collinearity is None else list(collinearity[1]),
    }


def _peak(shard: Shard, z: np.ndarray) -> dict[str, Any]:
    """Highest z with its place in mm of the run's space, and how many voxels pass the threshold."""
    best = int(z.argmax())
    indices = np.unravel_index(shard.voxel[best], shard.shape)
    place = nib.affines.apply_affine(shard.affine, indices)
    return {
        "peak_z": round(float(z[best]), 4),
        "peak_mm": [round(float(x), 2) for x in place],
        f"voxels_above_{Z_THRESHOLD}": int((z > Z_THRESHOLD).sum()),
    }
