"""What a training consists of: parameters, batches, gradient. The modes know it by this alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dca.train.agenda import Agenda
from dca.train.losses import Losses
from dca.train.position import Position

if TYPE_CHECKING:
    from dca.train.job import Job

Vector = NDArray[np.float32]


class Stream(Protocol):
    """Batches of one worker; `dca.train.data.RowStream` is one.

    Iterating gives pairs of epoch, from 0, and batch, an array whose first axis is that of rows.

    Attributes
    ----------
    steps_per_epoch : int
        Batches in an epoch that was begun anew; 0 if the worker has no rows.
    steps : int
        Batches in all epochs, those skipped included.
    """

    steps_per_epoch: int
    steps: int

    def epochs_done(self, batches: int) -> int:
        """Count the epochs that are complete after so many batches."""
        ...

    def left(self) -> Agenda | None:
        """Tell what is left of the rows; None if that cannot be told."""
        ...

    def __iter__(self) -> Iterator[tuple[int, Any]]: ...


class Workload(Protocol):
    """One model with its data, in one process.

    `Job.workload` makes one in every process that needs it, after that process has set its threads and
    devices.

    Attributes
    ----------
    length : int
        P, the number of parameters.
    """

    length: int

    def weights(self) -> Vector:
        """Present parameters, float32 (P,), a new array; the same in every process at first."""
        ...

    def load(self, weights: Vector) -> None:
        """Set the parameters; the vector, float32 (P,), may change after the call."""
        ...

    def gradient(self, batch: Any, out: Vector | None = None) -> tuple[Vector, Losses]:
        """Gradient of the mean loss over a batch, float32 (P,), and that loss.

        It is in `out`, where that spares a copy, or in a new array.
        """
        ...

    def warm_up(self) -> None:
        """Do what would make the first gradient slow."""
        ...

    def stream(self, position: Position, worker: int, part: int = 0, parts: int = 1) -> Stream:
        """Batches of one worker from a position on, or one of so many equal parts of each of them."""
        ...

    def validate(self) -> Losses | None:
        """Mean losses over held-out rows at the present parameters; None if there are none."""
        ...


class KerasWorkload:
    """The parameters of a workload whose `model` is a Keras model."""

    model: Any

    def weights(self) -> Vector:
        """See `Workload`."""
        from dca.train.flat import get_flat

        return get_flat(self.model)

    def load(self, weights: Vector) -> None:
        """See `Workload`."""
        from dca.train.flat import set_flat

        set_flat(self.model, weights)


class Source(Protocol):
    """What a training is about; it can be pickled, and makes the workload in every process.

    Attributes
    ----------
    identity : JSON
        All that makes a checkpoint of one source unfit for another.
    """

    @property
    def identity(self) -> Any:
        """See above."""
        ...

    def __call__(self, job: Job) -> Workload:
        """Make the model with its data."""
        ...
