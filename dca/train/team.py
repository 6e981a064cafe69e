"""Processes that train in step with each other: each has a part of every batch, all the same weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dca.train.checkpoint import Checkpoint
from dca.train.losses import Losses

Vector = NDArray[np.float32]


class Lap(NamedTuple):
    """What a process did in one step, in seconds since the exchange of the step before."""

    read_begin: float
    read_end: float
    """Also when computing began."""
    compute_end: float


@dataclass(frozen=True)
class Contribution:
    """What one process, or all together, give to an update.

    Attributes
    ----------
    gradient : float32 array (P,)
        Of the mean loss over its rows.
    losses : Losses
        Means likewise.
    rows : int
        How many these are; none: neither gradient nor losses count.
    stop : bool
        Training should end after this update.
    laps : tuple of Lap
        By process; of one that contributes, its own.
    """

    gradient: Vector
    losses: Losses
    rows: int
    stop: bool
    laps: tuple[Lap, ...]


class Team(Protocol):
    """The processes of one training, from the point of view of one of them.

    Attributes
    ----------
    rank, size : int
        This one's number, and how many there are. Number 0 keeps the record.
    """

    rank: int
    size: int

    def share(self, state: Checkpoint | None) -> Checkpoint:
        """Give all what number 0 has to begin with."""
        ...

    def combine(self, own: Contribution) -> Contribution:
        """Add the contributions of all, weighted by rows; the same bits for each."""
        ...

    def verify(self, weights: Vector) -> None:
        """Check that all have the same weights, to the last bit."""
        ...


class Alone:
    """A team of one."""

    rank, size = 0, 1

    def share(self, state: Checkpoint | None) -> Checkpoint:
        """Give it back."""
        assert state is not None
        return state

    def combine(self, own: Contribution) -> Contribution:
        """Give it back."""
        return own

    def verify(self, weights: Vector) -> None:
        """There is nobody to disagree."""
