"""The decompositions that are compared, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .study import Model

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
    whiten : bool
        Features only: brought to unit covariance before learning.
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
    whiten: bool = False


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
    "own target, dca, whitened": Setup("features", "own", lam=0.3, whiten=True),
    "own target, dca, whitened, λ 0.15": Setup("features", "own", whiten=True),
    "recommended, dca, whitened": Setup("features", "recommended", whiten=True),
    "recommended, dca, whitened, λ 0.3": Setup("features", "recommended", lam=0.3, whiten=True),
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
