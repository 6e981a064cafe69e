"""Comparison of one run: every event against the atoms of every setup."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from dca.compare.atoms import ATOM_COLUMNS, judge_atoms
from dca.compare.columns import COLUMNS
from dca.compare.halves import halve
from dca.compare.nulls import make_nulls
from dca.compare.others import reference
from dca.compare.scores import Run, Setup, score_setup
from dca.compare.voxels import VoxelSums
from dca.decompose.result import read_coefficients, read_dictionary
from dca.errors import InputError
from dca.files import read_tsv, write_tsv
from dca.inputs.events import read_events
from dca.preprocess.regress import kept_volumes, residual_operator
from dca.signals import Shard


def compare_run(
    out: str | Path,
    *,
    shard: str | Path,
    events: str | Path | None,
    glm: str | Path | None,
    decompositions: Mapping[str, str | Path],
    split: str,
    sums: str | Path | None = None,
    volumes: int | None = None,
    hrf: str = "spm",
    highpass_s: float = 100,
    filtered: bool = True,
    regress: str = "none",
    confounds: str | Path | None = None,
    surrogates: int = 1000,
    seed: int = 0,
    atoms: str | Path | None = None,
    shared: bool = False,
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
    sums : path, optional
        From `dca.compare.others.sum_maps`: z maps of all runs, for a comparison with others.
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
    atoms : path, optional
        A second table to write, with p of every atom: `dca.compare.atoms.ATOM_COLUMNS`.
    shared : bool
        Whether the model was trained towards what runs of one design share (``train.target: others``).

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
    judged: list[pd.DataFrame] = []
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
                detrended=data.detrended,
                kept=kept,
            )
            rest = np.arange(data.length) if kept is None else np.flatnonzero(kept)
            design, nuisance = _read_design(Path(glm, "design.tsv"), list(nulls), data.length)
            maps = {event: _read_map(Path(glm, f"{event}_z.nii.gz"), data) for event in nulls}
            setups = {}
            for setup, folder in decompositions.items():
                dictionary = read_dictionary(folder, data.length)
                weights = read_coefficients(folder, (dictionary.shape[1], data.n_voxels))
                setups[setup] = Setup(dictionary[rest], weights)
            run = Run(
                nulls,
                halve(len(rest)),
                design[rest],
                nuisance[rest],
                VoxelSums(data, {setup: part.coefficients for setup, part in setups.items()}, rest),
                maps,
                {event: reference(sums, data, event, z) for event, z in maps.items()} if sums else {},
            )
            key = {"run_id": data.run_id, "subject": data.subject, "split": split}
            for setup, part in setups.items():
                own = {**key, "setup": setup, "learnt_with": _learnt_with(setup, shared)}
                rows += [{**own, **row} for row in score_setup(run, setup, part)]
                judged.append(judge_atoms(nulls, part.dictionary).assign(**key, setup=setup))
    if atoms is not None:
        every = pd.concat(judged, ignore_index=True) if judged else pd.DataFrame()
        write_tsv(atoms, every.reindex(columns=list(ATOM_COLUMNS)).round({"pcc": 5}), ATOM_COLUMNS)
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tsv(out, result, COLUMNS)
    return result


def _learnt_with(setup: str, shared: bool) -> str:
    return "design" if setup.endswith("-group") or (shared and setup.startswith("dca")) else "run"


def _read_design(path: Path, events: list[str], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Regressors of the events, and all other columns: float64, shapes (T, E) and (T, Q)."""
    table = read_tsv(path)
    missing = [event for event in events if event not in table]
    if missing or len(table) != length:
        problem = f"lacks the event `{missing[0]}`" if missing else f"has {len(table)} rows, not {length}"
        raise InputError(path, problem, "re-run `glm` for this run")
    return table[events].to_numpy(float), table.drop(columns=events).to_numpy(float)


def _read_map(path: Path, shard: Shard) -> np.ndarray:
    """Values of a map at the rows of the shard, float32, shape (N,)."""
    try:
        values = nib.nifti1.load(path).get_fdata(dtype=np.float32)
    except (OSError, EOFError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(path, f"cannot be read ({error})", "re-run `glm` for this run") from error
    if values.shape != shard.shape:
        raise InputError(path, "has another grid than the shard", "re-run `glm` for this run")
    return values.ravel()[shard.voxel]
