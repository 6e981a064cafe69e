"""One dictionary for all training runs: learnt from a stream of their columns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from dca.decompose import odl
from dca.decompose.atoms import arrange, decode, names, time_courses
from dca.decompose.dictionary import COLUMNS
from dca.decompose.fit import convergence_warnings, density_warnings
from dca.decompose.settings import Settings
from dca.decompose.stability import match_atoms
from dca.decompose.stream import ColumnStream
from dca.errors import ConfigError, InputError, ModelError
from dca.files import atomic, write_json, write_tsv

logger = logging.getLogger(__name__)

ATOMS = "atoms.h5"
_REMEDY = "run `decompose` again"


class GroupAtoms(NamedTuple):
    """A group dictionary as it is learnt: in the space of the columns.

    Attributes
    ----------
    dictionary : ndarray, float32, shape (L, K), Fortran order
        Of unit norm.
    mean : ndarray, float32, shape (L,), or None
        What features were centred by.
    setup, normalise : str
    lam : float
    model_sha256 : str
        Of the model that made the features; empty for signals.
    """

    dictionary: np.ndarray
    mean: np.ndarray | None
    setup: str
    normalise: str
    lam: float
    model_sha256: str


def learn_group(
    sources: Sequence[str | Path],
    out_folder: str | Path,
    *,
    setup: str,
    settings: Settings,
    columns: int | None = None,
    halves: Sequence[Sequence[str | Path]] | None = None,
    model_folder: str | Path | None = None,
) -> dict[str, Any]:
    """Learn one dictionary from many runs; write ``dictionary.tsv``, ``atoms.h5`` and ``summary.json``.

    Memory does not grow with the number of runs.

    Parameters
    ----------
    sources : sequence of path
        Shards (`setup` raw) or features (`setup` dca) of the training runs.
    out_folder : path
        Usually ``results/decompose/group/<setup>``.
    setup : str
        ``raw`` or ``dca``.
    settings : Settings
    columns : int, optional
        Largest number of columns to learn from, the same share of every run; default all.
    halves : two sequences of path, optional
        Two parts of `sources`, of different subjects: a dictionary is learnt from each as well, and they are
        matched atom by atom.
    model_folder : path, optional
        Of the model that made the features; needed for `setup` dca.

    Returns
    -------
    dict
        The content of ``summary.json``.

    Raises
    ------
    ConfigError
        If there is no run, or no model for features.
    ShardError
        If files cannot be read or do not go together.
    ModelError
        If the model did not make the features.
    """
    if not sources:
        raise ConfigError("decompose.level", "is for training runs, and there are none", "set it to run")
    stream = ColumnStream(sources, setup, settings.normalise, columns, settings.seed)
    model_sha256 = _check_model(stream, model_folder) if setup == "dca" else ""
    mean = stream.centre() if setup == "dca" else None
    learnt = _learn(stream, settings)
    sample, typical_norm = _sample(stream)
    codes = odl.encode(sample.T, learnt.dictionary, settings.lam, threads=settings.threads)
    fall = None
    if learnt.before_last_quarter is not None:
        before = odl.encode(sample.T, learnt.before_last_quarter, settings.lam, threads=settings.threads)
        fall = 100 * (1 - codes.objective / before.objective)
    atoms = arrange(learnt.dictionary, codes.matrix)
    courses = atoms.dictionary
    if setup == "dca" and model_folder is not None and mean is not None:
        courses = decode(atoms.dictionary, model_folder, typical_norm, mean)
    density = 100 * codes.matrix.nnz / np.prod(codes.matrix.shape)
    summary = {
        "setup": setup,
        "level": "group",
        "runs": len(stream.sources),
        "columns": sum(stream.rows),
        **settings.record(),
        "length": stream.length,
        "iterations": learnt.iterations,
        "typical_norm": typical_norm,
        "restored_atoms": learnt.restored,
        "sampled_columns": len(sample),
        "objective": codes.objective,
        "last_quarter_fall_percent": fall,
        "r2": codes.r2,
        "density_percent": density,
        "unused_atoms": int((np.diff(codes.matrix.indptr) == 0).sum()),
        "split_half": _split_half(halves, settings, setup, columns) if halves else None,
        "warnings": [*density_warnings(density), *convergence_warnings(fall)],
    }
    for warning in summary["warnings"]:
        logger.warning("group dictionary (%s): %s", setup, warning)
    folder = Path(out_folder)
    table = pd.DataFrame(time_courses(courses), columns=names(settings.atoms))
    write_tsv(folder / "dictionary.tsv", table, COLUMNS)
    group = GroupAtoms(
        np.asfortranarray(atoms.dictionary), mean, setup, settings.normalise, settings.lam, model_sha256
    )
    _write(folder / ATOMS, group)
    write_json(folder / "summary.json", summary)
    return summary


def halves(
    sources: Sequence[str | Path], subjects: Sequence[str]
) -> tuple[list[str | Path], list[str | Path]]:
    """Divide runs into two halves of different subjects, every other subject in each.

    Parameters
    ----------
    sources : sequence of path
    subjects : sequence of str
        The subject of each.

    Returns
    -------
    tuple of two lists of path
        The second is empty for one subject.
    """
    order = {subject: i for i, subject in enumerate(sorted({*subjects}))}
    pairs = list(zip(sources, subjects, strict=True))
    first, second = ([path for path, subject in pairs if order[subject] % 2 == half] for half in (0, 1))
    return first, second


def _check_model(stream: ColumnStream, model_folder: str | Path | None) -> str:
    from dca.model.card import read_card

    if model_folder is None:
        raise ConfigError("decompose", "setup dca needs a model", "name the folder of the trained model")
    sha = read_card(model_folder)["weights_sha256"]
    if stream.origin != {sha}:
        problem = "is not the model that made all of the features"
        raise ModelError(model_folder, problem, "run `features` again with this model")
    return sha


class _Learnt(NamedTuple):
    dictionary: np.ndarray
    before_last_quarter: np.ndarray | None  # None if all columns came in one chunk
    iterations: int
    restored: int


def _learn(stream: ColumnStream, settings: Settings) -> _Learnt:
    chunks = stream.chunks(settings.passes)
    first, scaling = next(chunks)
    initial = odl.initial_dictionary(first.T, scaling.usable, settings.atoms, settings.seed)
    learner = odl.Learner(initial, settings.lam, settings.batch_size, settings.threads)
    learner.feed(first.T, settings.batches(len(first)))
    total = stream.chunk_count(settings.passes)
    before = learner.dictionary if total > 1 else None
    for number, (chunk, _) in enumerate(tqdm(chunks, "group dictionary", total - 1, mininterval=1), start=2):
        learner.feed(chunk.T, settings.batches(len(chunk)))
        if number <= 3 * total / 4:
            before = learner.dictionary
    dictionary = learner.dictionary
    if before is not None:
        odl.restore_dead(before, initial)
    return _Learnt(dictionary, before, learner.iterations, odl.restore_dead(dictionary, initial))


def _sample(stream: ColumnStream) -> tuple[np.ndarray, float]:
    """Random columns of all runs, (n, L), and the median norm of columns before they were scaled."""
    chunk, scaling = next(stream.chunks(1))
    return chunk, scaling.typical_norm


def _split_half(
    halves: Sequence[Sequence[str | Path]], settings: Settings, setup: str, columns: int | None
) -> dict[str, Any] | None:
    """Match the dictionaries of two halves of the subjects; None for one subject."""
    if not all(halves):
        return None
    found = []
    for number, sources in enumerate(halves):
        stream = ColumnStream(sources, setup, settings.normalise, columns, settings.seed + number)
        if setup == "dca":
            stream.centre()
        found.append(_learn(stream, replace(settings, seed=settings.seed + number)).dictionary)
    _, alike = match_atoms(*found)
    return {
        "runs": [len(sources) for sources in halves],
        "mean_r": float(alike.mean()),
        "median_r": float(np.median(alike)),
        "above_0.8_percent": float(100 * np.mean(alike > 0.8)),
    }


def _write(path: Path, group: GroupAtoms) -> None:
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file["dictionary"] = group.dictionary
        if group.mean is not None:
            file["mean"] = group.mean
        for name in ("setup", "normalise", "lam", "model_sha256"):
            file.attrs[name] = getattr(group, name)


def read_group(folder: str | Path) -> GroupAtoms:
    """Read the atoms of a group dictionary.

    Raises
    ------
    InputError
        If they are missing or damaged.
    """
    path = Path(folder) / ATOMS
    try:
        with h5py.File(path, "r", locking=False) as file:
            return GroupAtoms(
                np.asfortranarray(file["dictionary"][()]),
                file["mean"][()] if "mean" in file else None,
                str(file.attrs["setup"]),
                str(file.attrs["normalise"]),
                float(file.attrs["lam"]),
                str(file.attrs["model_sha256"]),
            )
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", _REMEDY) from error
    except (OSError, KeyError) as error:
        raise InputError(path, f"cannot be read ({error})", _REMEDY) from error
