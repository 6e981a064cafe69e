"""Decomposes a study as a setup says: time courses (T×K) and maps (K×N) of every subject."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d

from dca.compare.scores import Setup as Decomposition
from dca.decompose import learn_group
from dca.decompose.atoms import time_courses
from dca.decompose.code import code_run
from dca.decompose.columns import Columns, read_columns, remove_mean_column
from dca.decompose.courses import regress_courses
from dca.decompose.fit import fit
from dca.decompose.result import read_coefficients, read_dictionary
from dca.decompose.settings import Settings
from dca.features import Features, reconstruct
from dca.signals import Shard

from .setups import MODELS, Setup
from .study import Model, Study

FLAT = 1e-4  # of the largest variance of features, below which whitening lifts no further
SMOOTHING_S = 1.44  # SD of the Gaussian: 2 volumes of the simulated studies


def decompose(study: Study, setup: Setup, models: Mapping[str, Model] = MODELS) -> list[Decomposition]:
    """Decompose every run of a study, in order of its subjects."""
    if setup.columns in ("canica", "dictlearning"):
        return _group(study, setup.columns)
    if setup.group:
        return _one_dictionary(study, setup, models)
    if setup.columns == "features":
        return [_features(study, setup, models, label) for label in study.labels]
    change = _changes(study, setup, models)
    found = []
    paths = (
        study.targets(study.labels)
        if setup.columns == "others"
        else [study.shard_path(label) for label in study.labels]
    )
    for path in paths:
        with Shard(path) as shard:
            columns = Columns(change(shard), shard.run_id, shard.path)
        atoms = fit(columns, _settings(study, setup)).atoms
        found.append(Decomposition(time_courses(atoms.dictionary), atoms.coefficients))
    return found


def _settings(study: Study, setup: Setup) -> Settings:
    size = study.size
    atoms = max(2, round(size.atoms * setup.atoms))
    return Settings(atoms, setup.normalise, setup.lam, 256, size.passes, study.key.seed, size.threads)


def _changes(study: Study, setup: Setup, models: Mapping[str, Model]) -> Callable[[Shard], np.ndarray]:
    """What is done to the signals before they are decomposed."""
    if setup.columns == "smooth":
        return lambda shard: gaussian_filter1d(_signals(shard), SMOOTHING_S / study.tr, axis=1)
    if setup.columns == "pca":
        basis = _principal(study)
        return lambda shard: (_signals(shard) @ basis @ basis.T).astype(np.float32)
    if setup.columns == "reconstructions":

        def reconstructed(shard: Shard) -> np.ndarray:
            folder = study.model(setup.model, models[setup.model], shard.subject)
            return np.concatenate([block.copy() for _, block in reconstruct(shard, folder)])

        return reconstructed
    return _signals


def _signals(shard: Shard) -> np.ndarray:
    return read_columns(shard).matrix


def _principal(study: Study) -> np.ndarray:
    """Time courses that explain most of the variance over the voxels of all subjects, (T, components)."""
    second = 0
    for label in study.labels:
        with Shard(study.shard_path(label)) as shard:
            second = second + sum(rows.T.astype(np.float64) @ rows for _, rows in shard.blocks())
    return np.linalg.eigh(second)[1][:, -study.size.components :]


def _features(study: Study, setup: Setup, models: Mapping[str, Model], label: str) -> Decomposition:
    from dca.model import decode_atoms, load_model

    model = models[setup.model]
    with Features(study.features(setup.model, model, label)) as source:
        columns = read_columns(source)
    mean = remove_mean_column(columns) if setup.centre else np.zeros(columns.matrix.shape[1], np.float32)
    typical, back = None, np.eye(len(mean), dtype=np.float32)
    if setup.whiten:
        typical, back = float(np.median(np.linalg.norm(columns.matrix, axis=1))), _whiten(columns)
    fitted = fit(columns, _settings(study, setup))
    dictionary, coefficients = back @ fitted.atoms.dictionary, fitted.atoms.coefficients
    if not setup.orient:
        sign = np.random.default_rng(study.key.seed).choice([-1, 1], dictionary.shape[1]).astype(np.float32)
        dictionary, coefficients = dictionary * sign, sparse.diags_array(sign) @ coefficients
    network = load_model(study.model(setup.model, model, label)).model
    length = (typical or fitted.report["typical_norm"]) if setup.scale else 1.0
    decoded = decode_atoms(network, dictionary, length, mean)
    if not setup.rest:
        decoded = decoded + network.decode(mean[None]).numpy().T
    return Decomposition(time_courses(decoded), sparse.csr_array(coefficients))


def _whiten(columns: Columns) -> np.ndarray:
    """Bring columns to unit covariance, in place; return what brings atoms back, float32, shape (L, L)."""
    values, axes = np.linalg.eigh(columns.matrix.T.astype(np.float64) @ columns.matrix / len(columns.matrix))
    spread = np.sqrt(np.maximum(values, FLAT * values.max()))  # what hardly varies is not blown up to noise
    columns.matrix[...] = columns.matrix @ (axes / spread @ axes.T)
    return (axes * spread @ axes.T).astype(np.float32)


def _one_dictionary(study: Study, setup: Setup, models: Mapping[str, Model]) -> list[Decomposition]:
    """One dictionary of all runs, and what every run makes of its atoms."""
    shards, kind, folder = [study.shard_path(label) for label in study.labels], "raw", None
    sources = shards
    if setup.columns == "features":
        kind, folder = "dca", study.model(setup.model, models[setup.model], study.labels[0])
        sources = [study.features(setup.model, models[setup.model], label) for label in study.labels]
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        group, own = Path(scratch, "group"), Path(scratch, "run")
        learn_group(sources, group, setup=kind, settings=_settings(study, setup), model_folder=folder)
        for source, path in zip(sources, shards, strict=True):
            summary = code_run(source, group, path, own, threads=study.size.threads)
            courses = read_dictionary(own, study.size.volumes)
            found.append(
                Decomposition(courses, read_coefficients(own, (summary["atoms"], summary["voxels"])))
            )
    return found


def _group(study: Study, method: str) -> list[Decomposition]:
    """Group maps by nilearn; courses and maps of every run by dual regression."""
    from nilearn.decomposition import CanICA, DictLearning

    common = {
        "n_components": study.size.components,
        "smoothing_fwhm": None,
        "detrend": False,
        "random_state": study.key.seed,
    }
    shape = _mask(study).get_fdata().shape
    learner = {
        "canica": partial(CanICA, n_init=3),
        "dictlearning": partial(DictLearning, n_epochs=1),
    }[method](mask=_mask(study), **common)
    learner.fit([_image(study.shard_path(label)) for label in study.labels])
    maps = np.zeros((study.size.components, np.prod(shape)), np.float32)
    maps[:, _mask(study).get_fdata().ravel() > 0] = learner.components_
    found = []
    for label in study.labels:
        with Shard(study.shard_path(label)) as shard:
            own = sparse.csr_array(maps[:, shard.voxel])
            courses = regress_courses(shard, own)
            # The third step of a dual regression: maps of this run.
            fitted = np.linalg.lstsq(courses, _signals(shard).T.astype(np.float64), rcond=None)[0]
        coefficients = sparse.csr_array(fitted.astype(np.float32))
        found.append(Decomposition(time_courses(courses), coefficients))
    return found


def _mask(study: Study) -> nib.Nifti1Image:
    """Voxels of all subjects: their brains are on one grid and the same."""
    with Shard(study.shard_path(study.labels[0])) as shard:
        inside = np.zeros(shard.shape, np.uint8)
        inside.ravel()[shard.voxel] = 1
        return nib.Nifti1Image(inside, shard.affine)


def _image(path: Path) -> nib.Nifti1Image:
    """Signals of a shard as a 4-D image."""
    with Shard(path) as shard:
        series = np.zeros((np.prod(shard.shape), shard.length), np.float32)
        series[shard.voxel] = _signals(shard)
        return nib.Nifti1Image(series.reshape(*shard.shape, -1), shard.affine)
