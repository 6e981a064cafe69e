"""Held-out scores within a run: an atom is chosen on one half of it and scored on the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dca.compare.nulls import Null
from dca.compare.pcc import best_atoms, standardise
from dca.compare.voxels import VoxelSums

MIN_VOLUMES = 20  # a shorter half says nothing
MIN_SHARE = 0.1  # of a regressor's variation that either half must hold: less is what a filter leaves
COLLINEAR = 1e-6  # share of a regressor that the other ones must leave unexplained

Halves = tuple[np.ndarray, np.ndarray]  # volumes of either half


class Scores(NamedTuple):
    """Scores of one event, true design first, then one per surrogate; NaN where there is none.

    Attributes
    ----------
    pcc : ndarray, float64, shape (1 + S,)
        Correlation of the chosen atom, turned to follow the event in the half that it was chosen on, with
        the event's regressor in the other half: mean of both ways.
    spatial : ndarray, float64, shape (1 + S,)
        Correlation over voxels of that atom's map with the effect map of the other half, mean of both ways.
    """

    pcc: np.ndarray
    spatial: np.ndarray


def halve(volumes: int) -> Halves | None:
    """Cut a run in the middle, whatever its design: so the true one is a draw like its surrogates.

    Returns
    -------
    tuple of two ndarrays, int, or None
        Which volumes are in the first and in the second half. None if these are too short.
    """
    if volumes < 2 * MIN_VOLUMES:
        return None
    first, second = np.array_split(np.arange(volumes), 2)
    return first, second


def held_out_scores(
    null: Null, halves: Halves, dictionary: np.ndarray, nuisance: np.ndarray, setup: str, sums: VoxelSums
) -> Scores:
    """Choose on one half and score on the other, for the true design and for surrogates of the first kind.

    Parameters
    ----------
    null : Null
    halves : tuple of two ndarrays, int
        From `halve`.
    dictionary : ndarray, shape (T, K)
    nuisance : ndarray, shape (T, Q)
        Columns of the GLM's design that are no events.
    setup : str
        Whose maps in `sums` belong to the dictionary.
    sums : VoxelSums

    Returns
    -------
    Scores
        A design with too little of the event in one half has no score, and neither has an effect map that
        cannot be told from those of other events.
    """
    designs = np.concatenate([null.design.T[:, :, None], null.surrogates[null.first]], axis=2)
    usable = _varies(designs[null.event], halves)
    ways = [
        _one_way(designs, null.event, chosen, scored, dictionary, nuisance, setup, sums)
        for chosen, scored in (halves, halves[::-1])
    ]
    pcc, spatial = (np.mean(values, axis=0) for values in zip(*ways, strict=True))
    return Scores(np.where(usable, pcc, np.nan), np.where(usable, spatial, np.nan))


def _varies(regressors: np.ndarray, halves: Halves) -> np.ndarray:
    """Whether each half holds a fair share of the variation of regressors (T, S), bool, shape (S,)."""
    parts = np.array(
        [np.square(regressors[half] - regressors[half].mean(axis=0)).sum(axis=0) for half in halves]
    )
    return parts.min(axis=0) >= MIN_SHARE * parts.sum(axis=0)


def _one_way(
    designs: np.ndarray,
    event: int,
    chosen: np.ndarray,
    scored: np.ndarray,
    dictionary: np.ndarray,
    nuisance: np.ndarray,
    setup: str,
    sums: VoxelSums,
) -> Sequence[np.ndarray]:
    """Scores of atoms chosen on one half: correlation in time and over voxels, each of shape (1 + S,)."""
    regressors = designs[event]
    best = best_atoms(standardise(regressors[chosen]).T @ standardise(dictionary[chosen]))
    atoms, own = standardise(dictionary[scored]), standardise(regressors[scored])
    pcc = best.sign * np.einsum("ts,ts->s", own, atoms[:, best.atom])
    weights = effect_weights(designs[:, scored], event, nuisance[scored])
    return pcc, best.sign * sums.correlations(setup, best.atom, weights, scored)


def effect_weights(designs: np.ndarray, event: int, nuisance: np.ndarray) -> np.ndarray:
    """Weights of volumes that give the least-squares effect of one event, for many designs at once.

    Parameters
    ----------
    designs : ndarray, shape (E, T, S)
        Regressors of all events.
    event : int
    nuisance : ndarray, shape (T, Q)
        Columns that every design has beside its events; a constant is added.

    Returns
    -------
    ndarray, float64, shape (S, T)
        NaN where the other columns explain the event. An event that does not vary has no part.
    """
    basis, norms, _ = np.linalg.svd(np.column_stack([np.ones(len(nuisance)), nuisance]), full_matrices=False)
    basis = basis[:, norms > 1e-10 * norms[0]]
    columns = designs.transpose(2, 0, 1)
    size = np.linalg.norm(columns, axis=2)
    rest = columns - (columns @ basis) @ basis.T
    left = np.linalg.norm(rest, axis=2)
    dead = left <= np.sqrt(COLLINEAR) * np.where(size > 0, size, 1)
    rest = np.where(dead[:, :, None], 0, rest / np.where(dead, 1, left)[:, :, None])
    gram = rest @ rest.transpose(0, 2, 1) + np.eye(len(designs)) * dead[:, :, None]
    # A touch of ridge keeps designs with two alike events from stopping all others.
    inverse = np.linalg.inv(gram + 1e-10 * np.eye(len(designs)))[:, event]
    weights = np.einsum("se,set->st", inverse, rest)
    # 1 / the inverse's diagonal is the share of the event that the other events do not explain.
    known = ~dead[:, event] & (inverse[:, event] * COLLINEAR < 1)
    return np.where(known[:, None], weights, np.nan)
