"""When the events happen: a block design after the motor task of the HCP.

Barch et al. 2013 (NeuroImage 80:169): after 8 s of preparation, blocks of 12 s, each announced by a
3 s cue, two per movement, and three fixation blocks of 15 s, the last at the end. Here fingers and toes of
either side and the tongue move.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dca.errors import ConfigError
from dca.simulate.layout import EVENTS
from dca.simulate.scenario import Scenario, generator

START_S, CUE_S, BLOCK_S, FIXATION_S = 8.0, 3.0, 12.0, 15.0
FIXATIONS = 3  # per cycle of two blocks per movement
SHORTEST = 0.4  # of the durations above, when a run is too short for them
MOVEMENTS = EVENTS[1:]
COLUMNS = {
    "onset": "Onset in s from the start of the first volume.",
    "duration": "Duration in s.",
    "trial_type": "cue, or the movement: left-finger, right-finger, left-toe, right-toe, tongue.",
}


def events_table(scenario: Scenario, seed: int, index: int, run: int) -> pd.DataFrame:
    """Events of one run.

    A run shorter than the full design gets the start of it; one too short for every movement in it
    gets one block of each, without fixation, shortened if need be; a longer run gets further cycles.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Of the dataset.
    index, run : int
        Subject and run, counted from 0; without effect when the order is shared.

    Returns
    -------
    DataFrame
        ``onset`` and ``duration`` in s, ``trial_type``; in order of onset.

    Raises
    ------
    ConfigError
        If the run is too short for one block of each movement.
    """
    key = () if scenario.order == "shared" else (index, run)
    duration = scenario.duration_s
    rng = generator(seed, "order", *key)
    blocks: list[str | None] = []
    while _length(blocks) < duration:
        blocks += _cycle(rng, blocks)
    while _length(blocks) > duration:
        blocks.pop()
    if not set(MOVEMENTS) <= set(blocks):
        first: list[str | None] = [block for block in _cycle(generator(seed, "order", *key), []) if block]
        blocks = first[: len(MOVEMENTS)]
    scale = min(1.0, duration / _length(blocks))
    if scale < SHORTEST:
        least = int(np.ceil(SHORTEST * _length(blocks) / scenario.tr))
        raise ConfigError(
            "simulation volumes",
            f"is {scenario.volumes}, too short for one block of each movement",
            f"give at least {least} volumes at a TR of {scenario.tr} s",
        )
    return _table(blocks, scale)


def _cycle(rng: np.random.Generator, before: list[str | None]) -> list[str | None]:
    """Two blocks per movement, with at least two others between them, and the fixations (None)."""
    order: list[str | None] = []
    recent = {block for block in before[-3:] if block}  # the last is a fixation
    for _ in range(2):
        half = [str(movement) for movement in rng.permutation(MOVEMENTS)]
        while recent & set(half[:2]):
            half = [str(movement) for movement in rng.permutation(MOVEMENTS)]
        order += half
        recent = set(half[-2:])
    # After even blocks, so that they never touch, and at the end, for the last response to be seen.
    order.append(None)
    for after in sorted(rng.choice([2, 4, 6, 8], FIXATIONS - 1, replace=False), reverse=True):
        order.insert(int(after), None)
    return order


def _length(blocks: list[str | None]) -> float:
    """Seconds from the start of the run to the end of the last block."""
    return START_S + sum(CUE_S + BLOCK_S if block else FIXATION_S for block in blocks)


def _table(blocks: list[str | None], scale: float) -> pd.DataFrame:
    """Lay the blocks out in time."""
    rows, now = [], START_S
    for block in blocks:
        if block:
            rows += [(now, CUE_S, "cue"), (now + CUE_S, BLOCK_S, block)]
        now += CUE_S + BLOCK_S if block else FIXATION_S
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    # Onsets to the millisecond, rounded down so that the last block still ends within the run.
    for column in ("onset", "duration"):
        table[column] = np.floor(table[column] * scale * 1000) / 1000
    return table
