"""Scores of one setup of a study, by the statistics of `dca.compare`, with the true maps as reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dca.compare.halves import halve
from dca.compare.scores import Run, Setup, score_setup
from dca.compare.voxels import VoxelSums
from dca.signals import Shard

from .study import Study

SCORES = {
    "map_r": "Correlation over voxels of the best atom's map, turned to follow the event, with the true "
    "weights",
    "excess_sd": "Best |PCC| less the mean of its null, in SDs of the null",
    "heldout_pcc": "Correlation with the event on the half of the run on which the atom was not chosen",
    "heldout_r": "Correlation of its map with the effect map of that half",
    "pcc": "Best |PCC|: biased by selection",
    "null_mean": "Mean of the best |PCC| with surrogate designs",
    "p05_percent": "Share of events and subjects with p at most 0.05",
}
COUNTS = {
    "events": "Events of all subjects together",
    "scored": "Of these, those of which every score is known: an atom without a map, for one, has no map_r",
}


def score(study: Study, decompositions: Sequence[Setup]) -> dict[str, float]:
    """Score the decompositions of a study's runs.

    Returns
    -------
    dict
        `SCORES`: means over subjects, each subject's mean over its events counting once, and scores that
        are not known not counting. `COUNTS` tell of these.
    """
    rows = []
    for label, own in zip(study.labels, decompositions, strict=True):
        nulls = study.nulls
        design = next(iter(nulls.values())).design
        with Shard(study.shard_path(label)) as shard:
            volumes = np.arange(shard.length)
            sums = VoxelSums(shard, {"own": own.coefficients}, volumes)
            run = Run(
                nulls,
                halve(shard.length),
                design,
                np.zeros((shard.length, 0)),
                sums,
                study.weights(label, shard),
                dict.fromkeys(nulls),
            )
        rows += [{"subject": label, **row} for row in score_setup(run, "own", own)]
    table = pd.DataFrame(rows)
    table["map_r"] = table["spatial_r"] if study.truth else np.nan
    table["excess_sd"] = ((table["pcc"] - table["null_mean"]) / table["null_sd"]).where(table["null_sd"] > 0)
    table["p05_percent"] = (100.0 * (table["p"] <= 0.05)).where(table["p"].notna())
    return mean_scores(table)


def mean_scores(table: pd.DataFrame) -> dict[str, float]:
    """`SCORES` and `COUNTS` of a table with one row per subject and event."""
    means = table.groupby("subject")[list(SCORES)].mean().mean().to_dict()
    return means | {"events": len(table), "scored": int(table[list(SCORES)].notna().all(axis=1).sum())}
