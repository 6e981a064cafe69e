"""All numbers of one setup of a run: every event's best atom against its nulls, held out, and in space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from dca.compare.halves import Halves, held_out_scores
from dca.compare.nulls import Null, corrected_p_values, p_value
from dca.compare.others import Reference
from dca.compare.pcc import BestAtoms, best_atoms, correlate
from dca.compare.space import dice, spatial_correlation, spatial_correlations
from dca.compare.voxels import VoxelSums

MIN_SURROGATES = 19  # fewer cannot give p = 0.05


class Run(NamedTuple):
    """What the setups of a run have in common.

    Attributes
    ----------
    nulls : mapping of str to Null
        By event, as the columns of the design are.
    halves : Halves or None
        None for a run too short to be cut.
    design : ndarray, float64, shape (T, E)
    nuisance : ndarray, float64, shape (T, Q)
    sums : VoxelSums
    maps : mapping of str to ndarray, shape (N,)
        Event → z.
    others : mapping of str to Reference or None
        Event → z map of other runs.
    """

    nulls: Mapping[str, Null]
    halves: Halves | None
    design: np.ndarray
    nuisance: np.ndarray
    sums: VoxelSums
    maps: Mapping[str, np.ndarray]
    others: Mapping[str, Reference | None]


class Setup(NamedTuple):
    """One decomposition of the run.

    Attributes
    ----------
    dictionary : ndarray, float64, shape (T, K)
    coefficients : csr_array, float32, shape (K, N)
    """

    dictionary: np.ndarray
    coefficients: sparse.csr_array


def score_setup(run: Run, setup: str, part: Setup) -> list[dict[str, Any]]:
    """Score every event against the atoms of one setup.

    Returns
    -------
    list of dict
        One row per event: the columns of `dca.compare.columns.COLUMNS` from ``event`` on.
    """
    best = best_atoms(correlate(part.dictionary, run.design))
    rows, observed, draws = [], [], []
    for i, (event, null) in enumerate(run.nulls.items()):
        value, chosen = null.best(part.dictionary)
        later = [null.best(part.dictionary, kind)[1].pcc for kind in list(null.surrogates)[1:]]
        kinds = [chosen.pcc, *later]
        observed.append(value)
        draws.append(kinds)
        atom, sign = int(best.atom[i]), int(best.sign[i])
        atom_map = sign * part.coefficients[[atom]].toarray()[0]
        rows.append(
            {
                "event": event,
                "atom": atom,
                "sign": sign,
                "pcc": float(best.pcc[i]),
                "null_mean": float(chosen.pcc.mean()),
                "null_sd": float(chosen.pcc.std(ddof=1)) if len(chosen.pcc) > 1 else np.nan,
                "null_p95": float(np.quantile(chosen.pcc, 0.95)),
                "p": max(p_value(value, kind) for kind in kinds),
                "p_phase": p_value(value, kinds[1]) if len(kinds) > 1 else np.nan,
                "surrogates": len(chosen.pcc),
                "distinct": null.distinct,
                "null": null.kind,
                **_held_out(run, i, setup, part.dictionary),
                **_against_others(run.others.get(event), atom, sign, chosen, part.coefficients),
                "spatial_r": spatial_correlation(atom_map, run.maps[event]),
                "dice": dice(atom_map, run.maps[event]),
            }
        )
    for row, p in zip(rows, corrected_p_values(observed, draws), strict=True):
        row["p_corrected"] = float(p)
    return rows


def _held_out(run: Run, event: int, setup: str, dictionary: np.ndarray) -> dict[str, float]:
    names = ("heldout_pcc", "heldout_p", "heldout_r", "heldout_r_null", "heldout_r_p")
    if run.halves is None:
        return dict.fromkeys(names, np.nan)
    null = list(run.nulls.values())[event]
    scores = held_out_scores(null, run.halves, dictionary, run.nuisance, setup, run.sums)
    pcc, p, _ = _judge(scores.pcc)
    r, r_p, r_null = _judge(scores.spatial)
    return dict(zip(names, (pcc, p, r, r_null, r_p), strict=True))


def _against_others(
    others: Reference | None, atom: int, sign: int, chosen: BestAtoms, coefficients: sparse.csr_array
) -> dict[str, float]:
    if others is None:
        return {"others_r": np.nan, "others_r_null": np.nan, "others_r_p": np.nan, "others": 0}
    likeness = spatial_correlations(coefficients, others.z)
    draws = chosen.sign * likeness[chosen.atom]
    r, p, null = _judge(np.concatenate([[sign * likeness[atom]], draws]))
    return {"others_r": r, "others_r_null": null, "others_r_p": p, "others": others.runs}


def _judge(scores: np.ndarray) -> tuple[float, float, float]:
    """Observed value (the first), its p among the rest and their mean; NaN for what is not known."""
    observed, draws = scores[0], scores[1:][np.isfinite(scores[1:])]
    if not np.isfinite(observed) or len(draws) < MIN_SURROGATES:
        return float(observed), np.nan, np.nan
    return float(observed), p_value(observed, draws), float(draws.mean())
