"""Comparison of one run: every event against the atoms of every setup."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import sparse

from dca.compare.nulls import Null, make_nulls, p_value
from dca.compare.pcc import best_atoms, correlate
from dca.compare.space import dice, spatial_correlation
from dca.decompose.result import read_coefficients, read_dictionary
from dca.errors import InputError
from dca.files import read_tsv, write_tsv
from dca.inputs.events import read_events
from dca.preprocess.regress import kept_volumes, residual_operator
from dca.signals import Shard

COLUMNS = {
    "run_id": "Run",
    "subject": "Subject label",
    "split": "train or validation: whether the model saw this subject",
    "setup": "Input of the decomposition: raw signals or dca features",
    "event": "Event type",
    "atom": "Column of the dictionary (from 0) with the largest absolute correlation with the event",
    "sign": "1 or -1: what the atom is multiplied by to follow the event",
    "pcc": "Absolute Pearson correlation of that atom and the event's regressor. Uncorrected: biased upwards "
    "by the choice of the best of all atoms; judge it against null_mean and p",
    "null_mean": "Mean of the same best correlation over surrogate designs",
    "null_sd": "Its standard deviation over surrogate designs",
    "null_p95": "Its 95th percentile",
    "p": "One-sided p-value, (1 + surrogates as large) / (1 + surrogates), not corrected over events",
    "surrogates": "Number of surrogate designs behind p",
    "distinct": "Number of different regressors of this event among them; p stays near 1 / distinct or above",
    "null": "order: blocks in re-drawn order; shift: circular shifts of the regressor, if orders are too few",
    "spatial_r": "Pearson correlation over voxels of the atom's map, times sign, and the z map of the same "
    "run. Descriptive: an atom chosen by the design maps like it",
    "dice": "Dice overlap of voxels with z > 3.1 and as many of the atom's strongest voxels; n/a if none "
    "passes. Descriptive, as spatial_r",
}


def compare_run(
    out: str | Path,
    *,
    shard: str | Path,
    events: str | Path | None,
    glm: str | Path | None,
    decompositions: Mapping[str, str | Path],
    split: str,
    volumes: int | None = None,
    hrf: str = "spm",
    highpass_s: float = 100,
    filtered: bool = True,
    regress: str = "none",
    confounds: str | Path | None = None,
    surrogates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the atoms of one run with its task and write the table.

    Parameters
    ----------
    out : path
        Ends in ``.tsv``; the column descriptions are written beside it.
    shard : path
        From `signals`.
    events : path, optional
        BIDS events of the run; None at rest, which gives a table without rows.
    glm : path, optional
        Folder from `glm`; None at rest.
    decompositions : mapping
        Setup → folder with ``dictionary.tsv`` (T×K) and ``coefficients.npz`` (K×N).
    split : str
        ``train`` or ``validation``.
    volumes : int, optional
        Volumes of the run before any cropping; default those of the shard.
    hrf : str
        ``spm`` or ``glover``, as for the GLM.
    highpass_s : float
        Cut-off in seconds, 0 = off.
    filtered : bool
        Whether our filter made the data; if not, surrogates are not filtered either.
    regress : str
        Confounds that were taken out of the data instead of filtering.
    confounds : path, optional
        Their table, where `regress` is not ``none``. Censored volumes have no part in correlations.
    surrogates : int
        Orders to draw. The same for all setups, so that these can be compared.
    seed : int
        The draw depends on it and on the run's name.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, one row per setup and event.

    Raises
    ------
    InputError
        If the files of the stages before do not fit together.
    EventsError
        If the events are invalid.
    """
    rows: list[dict[str, Any]] = []
    if events is not None and glm is not None:
        with Shard(shard) as data:
            volumes = volumes or data.length
            table = read_events(events, volumes * data.tr)
            operator = kept = None
            if regress != "none":
                if confounds is None:
                    raise InputError(shard, "comes without the confounds taken out of it", "name their table")
                motion = read_tsv(confounds)
                kept = kept_volumes(motion)[: data.length]
                operator = residual_operator(
                    motion, regress, tr=data.tr, highpass_s=highpass_s, subject=confounds
                )
            nulls = make_nulls(
                table,
                volumes,
                data.tr,
                hrf=hrf,
                highpass_s=highpass_s if filtered else 0,
                count=surrogates,
                rng=np.random.default_rng([seed, zlib.crc32(data.run_id.encode())]),
                length=data.length,
                operator=operator,
                kept=kept,
            )
            rest = slice(None) if kept is None else kept
            design = _read_design(Path(glm, "design.tsv"), list(nulls), data.length)
            maps = {event: _read_map(Path(glm, f"{event}_z.nii.gz"), data) for event in nulls}
            key = {"run_id": data.run_id, "subject": data.subject, "split": split}
            for setup, folder in decompositions.items():
                atoms = read_dictionary(folder, data.length)
                weights = read_coefficients(folder, (atoms.shape[1], data.n_voxels))
                rows += [
                    {**key, "setup": setup, **row}
                    for row in _compare(nulls, design[rest], maps, atoms[rest], weights)
                ]
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tsv(out, result, COLUMNS)
    return result


def _compare(
    nulls: Mapping[str, Null],
    design: np.ndarray,
    maps: Mapping[str, np.ndarray],
    dictionary: np.ndarray,
    coefficients: sparse.csr_array,
) -> list[dict[str, Any]]:
    """One row per event for one setup."""
    best = best_atoms(correlate(dictionary, design))
    rows = []
    for i, (event, null) in enumerate(nulls.items()):
        observed, surrogates = null.best(dictionary)
        atom, sign = int(best.atom[i]), int(best.sign[i])
        atom_map = sign * coefficients[[atom]].toarray()[0]
        rows.append(
            {
                "event": event,
                "atom": atom,
                "sign": sign,
                "pcc": float(best.pcc[i]),
                "null_mean": float(surrogates.mean()),
                "null_sd": float(surrogates.std(ddof=1)) if len(surrogates) > 1 else np.nan,
                "null_p95": float(np.quantile(surrogates, 0.95)),
                "p": p_value(observed, surrogates),
                "surrogates": len(surrogates),
                "distinct": null.distinct,
                "null": null.kind,
                "spatial_r": spatial_correlation(atom_map, maps[event]),
                "dice": dice(atom_map, maps[event]),
            }
        )
    return rows


def _read_design(path: Path, events: list[str], length: int) -> np.ndarray:
    """Regressors of the events, float64, shape (T, E)."""
    table = read_tsv(path)
    missing = [event for event in events if event not in table]
    if missing or len(table) != length:
        problem = f"lacks the event `{missing[0]}`" if missing else f"has {len(table)} rows, not {length}"
        raise InputError(path, problem, "re-run `glm` for this run")
    return table[events].to_numpy(float)


def _read_map(path: Path, shard: Shard) -> np.ndarray:
    """Values of a map at the rows of the shard, float32, shape (N,)."""
    try:
        values = nib.nifti1.load(path).get_fdata(dtype=np.float32)
    except (OSError, EOFError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(path, f"cannot be read ({error})", "re-run `glm` for this run") from error
    if values.shape != shard.shape:
        raise InputError(path, "has another grid than the shard", "re-run `glm` for this run")
    return values.ravel()[shard.voxel]
