"""One run's dictionary: from its signals or features to the files of ``results/decompose``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from dca.decompose.atoms import decode, names, time_courses
from dca.decompose.columns import Columns, read_columns, remove_mean_column
from dca.decompose.courses import regress_courses
from dca.decompose.fit import Fit, convergence_warnings, density_warnings, fit
from dca.decompose.settings import Settings
from dca.errors import ConfigError, ModelError, ShardError
from dca.features import Features
from dca.files import atomic, write_json, write_tsv
from dca.provenance import package_version
from dca.signals import Shard

logger = logging.getLogger(__name__)

SETUPS = ("raw", "dca", "dca-signal")
COURSES = ("atoms", "regressed")
COLUMNS = {
    "atom_*": "Time course of an atom, one row per volume: mean 0, Euclidean norm 1, no unit. Atoms are in "
    "descending order of energy (sum of squared coefficients), turned so that their coefficients sum to "
    "0 or more."
}


def learn(
    source: str | Path,
    out_folder: str | Path,
    *,
    setup: str,
    atoms: int,
    normalise: str,
    lam: float,
    batch_size: int,
    passes: float,
    seed: int,
    threads: int = 1,
    model_folder: str | Path | None = None,
    shard: str | Path | None = None,
    courses: str = "atoms",
) -> dict[str, Any]:
    """Learn the dictionary of one run and write ``dictionary.tsv``, ``coefficients.npz``, ``summary.json``.

    Parameters
    ----------
    source : path
        The run's shard (`setup` raw, dca-signal) or its features (`setup` dca).
    out_folder : path
        Usually ``results/decompose/<setup>/<run_id>``.
    setup : str
        ``raw``: atoms of signals. ``dca``: atoms of features, centred over voxels, then decoded.
        ``dca-signal``: atoms of the model's reconstructions of the signals.
    atoms : int
        K, also where there are fewer voxels.
    normalise : str
        ``unit`` or ``zscore``: the scale of the columns, to which λ refers.
    lam : float
        λ of ½‖x − Dα‖² + λ‖α‖₁.
    batch_size : int
        Columns per mini-batch.
    passes : float
        How often every column is seen, on average.
    seed : int
        Of the initial dictionary.
    threads : int
        The same number gives the same bytes.
    model_folder : path, optional
        Of the model that made the features, or shall make the reconstructions; needed for all but raw.
    shard : path, optional
        For `setup` dca, the run's shard, to check that the features are of its voxels.
    courses : str
        Time courses in ``dictionary.tsv``: ``atoms``, as learnt (or decoded), or ``regressed``: the signals
        of the run regressed on the coefficients, which needs the shard.

    Returns
    -------
    dict
        The content of ``summary.json``.

    Raises
    ------
    ConfigError
        If a setting is out of range.
    ShardError
        If shard or features cannot be read, are not of one another, or hold nothing to learn from.
    ModelError
        If the model cannot be used, or did not make the features.
    """
    settings = Settings(atoms, normalise, lam, batch_size, passes, seed, threads)
    if setup not in SETUPS:
        raise ConfigError("decompose.setups", f"has {setup}", f"choose from {', '.join(SETUPS)}")
    if courses not in COURSES:
        raise ConfigError("decompose.courses", f"is {courses}", f"choose from {', '.join(COURSES)}")
    if setup != "raw" and model_folder is None:
        raise ConfigError("decompose", f"setup {setup} needs a model", "name the folder of the trained model")
    if setup == "dca":
        run_id, fitted = _fit_features(source, str(model_folder), shard, settings)
    else:
        run_id, fitted = _fit_signals(source, model_folder if setup == "dca-signal" else None, settings)
    if courses == "regressed":
        own = shard if setup == "dca" else source
        if own is None:
            raise ConfigError("decompose.courses", "needs the shard of the run", "name it")
        with Shard(own) as signals:
            fitted = _with_time_courses(fitted, regress_courses(signals, fitted.atoms.coefficients))
    summary = _summary(run_id, setup, settings, fitted, courses) | {"courses": courses}
    write_result(Path(out_folder), fitted.atoms.dictionary, fitted.atoms.coefficients, summary)
    return summary


def _fit_signals(source: str | Path, model_folder: str | Path | None, settings: Settings) -> tuple[str, Fit]:
    """Fit the signals of a shard, or with a model its reconstructions of them."""
    with Shard(source) as shard:
        if model_folder is None:
            columns = read_columns(shard)
        else:
            columns = _reconstructed(shard, model_folder, settings.threads)
    fitted = fit(columns, settings)
    return columns.run_id, _with_time_courses(fitted, fitted.atoms.dictionary)


def _reconstructed(shard: Shard, model_folder: str | Path, threads: int) -> Columns:
    from dca.features import reconstruct
    from dca.model.backend import set_threads

    set_threads(threads)
    matrix = np.empty((shard.n_voxels, shard.length), np.float32)
    for start, block in reconstruct(shard, model_folder):
        if not np.isfinite(block).all():
            raise ModelError(model_folder, "gives values that are not finite", "train it again")
        matrix[start : start + len(block)] = block
    return Columns(matrix, shard.run_id, shard.path)


def _fit_features(
    source: str | Path, model_folder: str | Path, shard: str | Path | None, settings: Settings
) -> tuple[str, Fit]:
    with Features(source) as features:
        _check_origin(features, model_folder)
        if shard is not None:
            check_voxels(features, shard)
        columns = read_columns(features)
    mean = remove_mean_column(columns)
    fitted = fit(columns, settings)
    decoded = decode(fitted.atoms.dictionary, model_folder, fitted.report["typical_norm"], mean)
    return columns.run_id, _with_time_courses(fitted, decoded)


def _with_time_courses(fitted: Fit, dictionary: np.ndarray) -> Fit:
    return fitted._replace(atoms=fitted.atoms._replace(dictionary=time_courses(dictionary)))


def _check_origin(features: Features, model_folder: str | Path) -> None:
    from dca.model.card import read_card

    if read_card(model_folder)["weights_sha256"] != features.model_sha256:
        problem = f"is not the model that made {features.path}"
        raise ModelError(model_folder, problem, "run `features` again with this model")


def check_voxels(features: Features, shard: str | Path) -> None:
    """Refuse features that are not of the voxels of a shard.

    Raises
    ------
    ShardError
        If they are not.
    """
    with Shard(shard) as signals:
        if not np.array_equal(signals.voxel, features.voxel):
            problem = f"has other voxels than {signals.path}"
            raise ShardError(features.path, problem, "run `features` again for this run")


def _summary(run_id: str, setup: str, settings: Settings, fitted: Fit, courses: str) -> dict[str, Any]:
    flat = int((~fitted.atoms.dictionary.any(axis=0)).sum())
    warnings = density_warnings(fitted.report["density_percent"])
    warnings += convergence_warnings(fitted.report["last_quarter_fall_percent"])
    if flat and courses == "atoms":  # a regressed course is flat where no voxel uses the atom
        warnings.append(f"{flat} atoms are decoded to a flat line: the model may not have learnt anything")
    for warning in warnings:
        logger.warning("%s (%s): %s", run_id, setup, warning)
    return {
        "run_id": run_id,
        "setup": setup,
        **settings.record(),
        **fitted.report,
        "flat_atoms": flat,
        "versions": {"spams": package_version("spams")},
        "warnings": warnings,
    }


def write_result(
    folder: Path, dictionary: np.ndarray, coefficients: sparse.csr_array, summary: dict[str, Any]
) -> None:
    """Write ``dictionary.tsv`` (T×K), ``coefficients.npz`` (K×N) and ``summary.json``."""
    table = pd.DataFrame(dictionary, columns=names(dictionary.shape[1]))
    write_tsv(folder / "dictionary.tsv", table, COLUMNS)
    with atomic(folder / "coefficients.npz") as temporary:
        sparse.save_npz(temporary, coefficients)
    write_json(folder / "summary.json", summary)
