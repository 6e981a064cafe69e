"""The loss on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np

from dca.train.data import RowRange
from dca.train.losses import Losses
from dca.train.pairs import Pairs
from dca.train.step import GradientStep

BLOCK = 2048


def validation_loss(step: GradientStep, ranges: Sequence[RowRange]) -> Losses | None:
    """Mean losses over rows of shards.

    Parameters
    ----------
    step : GradientStep
        Of the model to judge, at its present weights.
    ranges : sequence of RowRange
        `TrainingData.validation`.

    Returns
    -------
    Losses or None
        None if there are no rows.
    """
    sums, rows = np.zeros(3), 0
    for path, start, stop, target in ranges:
        with closing(Pairs(path, target)) as pairs:
            for first in range(start, stop, BLOCK):
                block = pairs.read(first, min(first + BLOCK, stop))
                sums += len(block) * np.array(step.evaluate(block))
                rows += len(block)
    return Losses(*(float(value) for value in sums / rows)) if rows else None
