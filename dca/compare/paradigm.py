"""The structure of a task: blocks, cues, and the orders in which it could have been run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from math import comb, factorial, prod

import numpy as np
import pandas as pd

BLOCK_GAP_S = 4.0  # events of one type that follow each other within this pause form one block
JITTER_S = 0.1  # units that overlap by less do so because of rounding or late pictures


@dataclass(frozen=True)
class Part:
    """Events of one type within a unit.

    Attributes
    ----------
    event : int
        Index of the event type.
    pattern : ndarray, shape (n, 2)
        Onset relative to the unit's start, and duration, of each event, in seconds.
    """

    event: int
    pattern: np.ndarray


@dataclass(frozen=True)
class Unit:
    """What changes its place as a whole: a block, with the cue before it if the task has cues.

    Attributes
    ----------
    onset, length : float
        In seconds.
    parts : tuple of Part
        The cue, if any, and the block.
    label : int
        Event type of the block. Units with one label are exchangeable.
    fixed : bool
        Keeps its place: a cue that no block follows.
    """

    onset: float
    length: float
    parts: tuple[Part, ...]
    label: int
    fixed: bool = False


@dataclass(frozen=True)
class Paradigm:
    """The units of one run in order of time.

    Attributes
    ----------
    names : tuple of str
        Event types in order of name.
    units : tuple of Unit
    cue : int or None
        Event type that precedes every block of the others.
    """

    names: tuple[str, ...]
    units: tuple[Unit, ...]
    cue: int | None

    @cached_property
    def labels(self) -> np.ndarray:
        """Label of every unit, int, shape (U,)."""
        return np.array([unit.label for unit in self.units])

    def possible(self, event: int) -> tuple[int, int]:
        """How many designs re-ordering can give.

        Parameters
        ----------
        event : int
            Event type.

        Returns
        -------
        tuple of int
            Different orders of all labels, and different places of this event's own blocks.
        """
        movable = [unit.label for unit in self.units if not unit.fixed]
        counts = Counter(movable)
        orders = factorial(len(movable)) // prod(factorial(n) for n in counts.values())
        return orders, comb(len(movable), counts[event])

    def draw_orders(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw random orders of the units; fixed ones stay.

        Returns
        -------
        ndarray, int, shape (count, U)
            Which unit comes at each position.
        """
        orders = np.tile(np.arange(len(self.units)), (count, 1))
        movable = np.flatnonzero([not unit.fixed for unit in self.units])
        orders[:, movable] = rng.permuted(orders[:, movable], axis=1)
        return orders

    def starts(self, orders: np.ndarray) -> np.ndarray:
        """Onset of every unit when the units are run in other orders.

        The pauses keep their places in the sequence and the durations travel with their units, so that
        nothing overlaps and the task ends when it did. Where units overlap already there are no pauses,
        and the onsets themselves stay.

        Parameters
        ----------
        orders : ndarray, int, shape (S, U)

        Returns
        -------
        ndarray, float64, shape (S, U)
            By unit, in seconds.
        """
        onset = np.array([unit.onset for unit in self.units])
        length = np.array([unit.length for unit in self.units])
        pauses = onset[1:] - (onset + length)[:-1]
        at = np.broadcast_to(onset, orders.shape)
        if (pauses >= -JITTER_S).all():
            steps = length[orders[:, :-1]] + pauses
            at = onset[0] + np.concatenate([np.zeros((len(orders), 1)), steps.cumsum(axis=1)], axis=1)
        by_unit = np.empty(orders.shape)
        np.put_along_axis(by_unit, orders, at, axis=1)
        return by_unit


def read_paradigm(events: pd.DataFrame, gap_s: float = BLOCK_GAP_S) -> Paradigm:
    """Find the blocks of a run and, if every block has one before it, the cue.

    Parameters
    ----------
    events : DataFrame
        Columns ``onset`` and ``duration`` in seconds, ``trial_type``.
    gap_s : float
        Largest pause within a block, in seconds.

    Returns
    -------
    Paradigm
    """
    events = events.sort_values("onset", kind="stable")
    names = tuple(sorted(events["trial_type"].unique()))
    types = events["trial_type"].map({name: i for i, name in enumerate(names)}).to_numpy()
    onsets = events["onset"].to_numpy(float)
    durations = events["duration"].to_numpy(float)
    pauses = onsets[1:] - (onsets + durations)[:-1]
    first = np.flatnonzero(np.concatenate([[True], (types[1:] != types[:-1]) | (pauses > gap_s)]))
    blocks = []
    for rows in np.split(np.arange(len(events)), first[1:]):
        start = onsets[rows[0]]
        pattern = np.column_stack([onsets[rows] - start, durations[rows]])
        length = float(pattern.sum(axis=1).max())
        label = int(types[rows[0]])
        blocks.append(Unit(float(start), length, (Part(label, pattern),), label))
    cue = _find_cue([block.label for block in blocks])
    return Paradigm(names, tuple(blocks if cue is None else _join(blocks, cue)), cue)


def _find_cue(labels: list[int]) -> int | None:
    """Find the label that comes before every block of the others, if there is one."""
    for cue in sorted(set(labels)):
        others = [i for i, label in enumerate(labels) if label != cue]
        if others and all(i > 0 and labels[i - 1] == cue for i in others):
            return cue
    return None


def _join(blocks: list[Unit], cue: int) -> list[Unit]:
    """Make one unit of each cue and the block after it."""
    units = []
    for i, block in enumerate(blocks):
        if block.label != cue:
            before = blocks[i - 1]
            delay = block.onset - before.onset
            body = Part(block.label, block.parts[0].pattern + np.array([delay, 0]))
            units.append(Unit(before.onset, delay + block.length, (*before.parts, body), block.label))
        elif i + 1 == len(blocks) or blocks[i + 1].label == cue:
            units.append(replace(block, fixed=True))
    return units
