"""The decompositions that are compared: time courses (T×K) and maps (K×N) of every subject."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

from .study import Model, Study

SMOOTHING_S = 1.44  # SD of the Gaussian: 2 volumes of the simulated studies
PAPER, SMALL = {"preset": "paper"}, {"preset": "recommended"}  # networks
ADAM = {"optimizer": "adam", "learning_rate": 0.001}
OWN, OTHERS = ADAM | {"epochs": 3}, ADAM | {"epochs": 10, "target": "others"}
MODELS = {
    "paper": Model(PAPER),
    "recommended": Model(SMALL, OTHERS),
    "recommended_unseen": Model(SMALL, OTHERS, folds=3),
    "own": Model(SMALL, OWN),
    # What of the difference between these is the network's, and what its training's?
    "paper_others": Model(PAPER, OTHERS),
    "paper_adam": Model(PAPER, OWN),
    "own_adagrad": Model(SMALL),
}


@dataclass(frozen=True)
class Setup:
    """What is decomposed, and how.

    Attributes
    ----------
    columns : str
        ``signals``, ``smooth``, ``pca``: dictionary of the run's signals, as they are, smoothed in time, or
        projected on the group's principal components. ``others``: of what the voxels of the other subjects
        have on the average, without any of the run's own. ``features``, ``reconstructions``: of what a model
        makes of them. ``canica``, ``dictlearning``: nilearn's group methods.
    model : str
        Of `MODELS`, where there is one.
    lam : float
        λ, on the scale of the columns.
    atoms : float
        K, as a share of the study's.
    centre, orient, scale, rest : bool
        Features only: the mean code is taken out before learning; atoms are turned before decoding, or
        signs are random; they are decoded at the length of a typical code, or at 1; what the decoder makes
        of no atom is taken out.
    normalise : str
        The scale of the columns.
    group : bool
        ``signals`` and ``features``: one dictionary for all runs, with the time courses of its atoms in each.
    """

    columns: str
    model: str = ""
    lam: float = 0.15
    atoms: float = 1.0
    centre: bool = True
    orient: bool = True
    scale: bool = True
    rest: bool = True
    normalise: str = "unit"
    group: bool = False


SETUPS: Mapping[str, Setup] = {
    "raw": Setup("signals"),
    "raw, λ 0.3": Setup("signals", lam=0.3),
    "raw, smoothed": Setup("smooth"),
    "raw, smoothed, λ 0.3": Setup("smooth", lam=0.3),
    "raw, PCA": Setup("pca"),
    "raw, PCA, λ 0.3": Setup("pca", lam=0.3),
    "CanICA": Setup("canica"),
    "DictLearning": Setup("dictlearning"),
    "mean of others": Setup("others"),
    "paper, dca": Setup("features", "paper"),
    "own target, dca": Setup("features", "own", lam=0.3),
    "own target, dca-signal": Setup("reconstructions", "own", lam=0.3),
    "recommended, dca": Setup("features", "recommended"),
    "recommended, dca-signal": Setup("reconstructions", "recommended"),
    "recommended, dca-signal, new subjects": Setup("reconstructions", "recommended_unseen"),
}
VARIANTS: Mapping[str, Setup] = {
    **{f"raw, λ {lam:g}": Setup("signals", lam=lam) for lam in (0.05, 0.5)},
    **{f"raw, K × {k:g}": Setup("signals", atoms=k) for k in (0.25, 0.5, 2.0)},
    "raw, z-scored, λ 0.7": Setup("signals", lam=0.7, normalise="zscore"),  # the paper's decomposition
    "raw-group": Setup("signals", group=True),
    "paper, dca, z-scored, λ 0.7": Setup("features", "paper", lam=0.7, normalise="zscore"),
    "paper, dca, λ 0.3": Setup("features", "paper", lam=0.3),
    "paper, dca-signal": Setup("reconstructions", "paper"),
    "paper, dca, trained as own target": Setup("features", "paper_adam"),
    "paper, dca-signal, trained as own target": Setup("reconstructions", "paper_adam"),
    "paper, dca-signal, trained as recommended": Setup("reconstructions", "paper_others"),
    "own target, dca, default training": Setup("features", "own_adagrad", lam=0.3),
    "own target, dca-signal, default training": Setup("reconstructions", "own_adagrad", lam=0.3),
    "own target, dca, λ 0.15": Setup("features", "own"),
    "own target, dca, not centred": Setup("features", "own", lam=0.3, centre=False),
    "own target, dca, signs at random": Setup("features", "own", lam=0.3, orient=False),
    "own target, dca, decoded at length 1": Setup("features", "own", lam=0.3, scale=False),
    "own target, dca, resting output kept": Setup("features", "own", lam=0.3, rest=False),
    **{f"own target, dca-signal, λ {lam:g}": Setup("reconstructions", "own", lam=lam) for lam in (0.15, 0.5)},
    **{
        f"own target, dca-signal, K × {k:g}": Setup("reconstructions", "own", lam=0.3, atoms=k)
        for k in (0.5, 2.0)
    },
    "own target, dca-group": Setup("features", "own", group=True),
    "recommended, dca-group": Setup("features", "recommended", group=True),
    "recommended, dca, not centred": Setup("features", "recommended", centre=False),
    "recommended, dca, signs at random": Setup("features", "recommended", orient=False),
    "recommended, dca, decoded at length 1": Setup("features", "recommended", scale=False),
    "recommended, dca, resting output kept": Setup("features", "recommended", rest=False),
    **{
        f"recommended, dca-signal, λ {lam:g}": Setup("reconstructions", "recommended", lam=lam)
        for lam in (0.05, 0.3)
    },
    **{
        f"recommended, dca-signal, K × {k:g}": Setup("reconstructions", "recommended", atoms=k)
        for k in (0.5, 2.0)
    },
}
# What the map of scenarios shows.
MAPPED = (
    "raw", "raw, smoothed, λ 0.3", "own target, dca-signal", "mean of others", "recommended, dca-signal",
)  # fmt: skip


def needs_others(setup: Setup, models: Mapping[str, Model] = MODELS) -> bool:
    """Whether a setup takes several subjects: a single run, as the real one, has none."""
    model = models[setup.model].train if setup.model else {}
    return setup.columns == "others" or model.get("target") == "others"


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
    fitted = fit(columns, _settings(study, setup))
    dictionary, coefficients = fitted.atoms.dictionary, fitted.atoms.coefficients
    if not setup.orient:
        sign = np.random.default_rng(study.key.seed).choice([-1, 1], dictionary.shape[1]).astype(np.float32)
        dictionary, coefficients = dictionary * sign, sparse.diags_array(sign) @ coefficients
    network = load_model(study.model(setup.model, model, label)).model
    length = fitted.report["typical_norm"] if setup.scale else 1.0
    decoded = decode_atoms(network, dictionary, length, mean)
    if not setup.rest:
        decoded = decoded + network.decode(mean[None]).numpy().T
    return Decomposition(time_courses(decoded), sparse.csr_array(coefficients))


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
