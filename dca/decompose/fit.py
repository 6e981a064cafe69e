"""From columns to arranged atoms, with the numbers that tell how well it went."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np

from dca.decompose import odl
from dca.decompose.atoms import Atoms, arrange
from dca.decompose.columns import Columns, normalise
from dca.decompose.settings import Settings

logger = logging.getLogger(__name__)

DENSITY_PERCENT = (0.2, 20.0)  # outside, λ hardly fits the scale of the columns
SAMPLE = 512  # columns by which the dictionary is judged before, in the course of, and after learning
SETTLED_PERCENT = 1.0  # fall of the objective over the last quarter of learning that counts as none


class Fit(NamedTuple):
    """Atoms on the scale of the columns, and the part of the summary that is about them.

    Attributes
    ----------
    atoms : Atoms
    report : dict
    """

    atoms: Atoms
    report: dict[str, Any]


def fit(columns: Columns, settings: Settings) -> Fit:
    """Normalise the columns in place, learn a dictionary, encode all columns, arrange the atoms.

    Raises
    ------
    ShardError
        If no column varies.
    """
    scaling = normalise(columns, settings.normalise)
    X = columns.matrix.T
    length, voxels = X.shape
    iterations = settings.iterations(voxels)
    plan = "%s: learning %d atoms of length %d from %d columns in %d mini-batches"
    logger.info(plan, columns.run_id, settings.atoms, length, voxels, iterations)
    initial = odl.initial_dictionary(X, scaling.usable, settings.atoms, settings.seed)
    learner = odl.Learner(initial, settings.lam, settings.batch_size, settings.threads)
    last = iterations // 4  # 0 for fewer than four: then there is no last quarter to look at
    learner.feed(X, iterations - last)
    middle = learner.dictionary
    if last:
        learner.feed(X, last)
    dictionary = learner.dictionary
    restored = odl.restore_dead(dictionary, initial)
    odl.restore_dead(middle, initial)
    codes = odl.encode(X, dictionary, settings.lam, threads=settings.threads)
    # Rows of a shard are in random order, so the first of them are a random sample.
    sample = X[:, :SAMPLE]
    start, before = (
        odl.encode(sample, atoms, settings.lam, threads=settings.threads).objective
        for atoms in (initial, middle)
    )
    atoms = arrange(dictionary, codes.matrix)
    report = {
        "voxels": voxels,
        "length": length,
        "iterations": iterations,
        "flat_columns": int((~scaling.usable).sum()),
        "typical_norm": scaling.typical_norm,
        "objective": codes.objective,
        "sample": {
            "columns": sample.shape[1],
            "initial": start,
            "before_last_quarter": before if last else None,
            "final": float(codes.losses[:SAMPLE].mean()),
        },
        "r2": codes.r2,
        **_sparsity(atoms),
        "restored_atoms": restored,
        "repaired_codes": codes.repaired,
    }
    final = report["sample"]["final"]
    report["last_quarter_fall_percent"] = 100 * (1 - final / before) if last and before else None
    return Fit(atoms, report)


def convergence_warnings(fall_percent: float | None) -> list[str]:
    """Say so if the objective was still falling at the end, or if there was no telling (None)."""
    if fall_percent is None:
        return [
            "cannot tell whether it has converged: learning was too short to look at its last quarter; "
            "raise decompose.passes"
        ]
    if fall_percent <= SETTLED_PERCENT:
        return []
    return [
        f"the objective fell by {fall_percent:.2g} % over the last quarter of learning, more than "
        f"{SETTLED_PERCENT:g} %: it has not converged; raise decompose.passes"
    ]


def _sparsity(atoms: Atoms) -> dict[str, Any]:
    coefficients = atoms.coefficients
    K, N = coefficients.shape
    total = atoms.energy.sum()
    share = 100 * atoms.energy / total if total else atoms.energy
    return {
        "density_percent": 100 * coefficients.nnz / (K * N),
        "atoms_per_voxel": coefficients.nnz / N,
        "voxels_without_code": N - len(np.unique(coefficients.indices)),
        "unused_atoms": int((np.diff(coefficients.indptr) == 0).sum()),
        "energy_percent": [float(f"{value:.4g}") for value in share],
    }


def density_warnings(percent: float) -> list[str]:
    """Say so if hardly anything, or nearly everything, has a code."""
    low, high = DENSITY_PERCENT
    if low <= percent <= high:
        return []
    remedy = "lower" if percent < low else "raise"
    return [
        f"{percent:.3g} % of the coefficients are not zero, outside {low:g} to {high:g} %: "
        f"{remedy} decompose.lambda, or check decompose.normalise"
    ]
