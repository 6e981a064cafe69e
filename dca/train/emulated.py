"""A training whose compute is a pause: what is left of its time is the exchange's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dca.train.job import Job
from dca.train.losses import Losses
from dca.train.position import Position
from dca.train.settings import Plan, TrainSettings

Vector = NDArray[np.float32]

PAPER_PARAMETERS = 6_020_381  # of the paper's network as it is built here


@dataclass(frozen=True)
class Emulated:
    """A source of emulated workloads; see `dca.train.workload.Source`.

    Parameters
    ----------
    seconds : float
        Length of a step; 0 for none, to measure the exchange alone.
    steps : int
        Steps of each worker.
    parameters : int
        P.
    """

    seconds: float
    steps: int
    parameters: int = PAPER_PARAMETERS

    @property
    def identity(self) -> str:
        """Of its numbers."""
        return repr(self)

    def __call__(self, job: Job) -> EmulatedWorkload:
        """Make the workload in the process that calls."""
        return EmulatedWorkload(self, job.seed)

    def job(
        self, folder: str | Path, settings: TrainSettings, seed: int = 0, threads: int | None = None
    ) -> Job:
        """Make a whole job of it, for `dca.train.downpour.run` (``mode: downpour``).

        ``Emulated(1.0, steps=30).job(folder, TrainSettings(workers=13, warmup_steps=0))`` is 13 workers
        that compute for a second per step. Start-up is not training: see the phases of timeline.tsv. The
        last checkpoint is written as always; a `checkpoint_s` above the duration spares all others.
        """
        warmup = 0 if settings.warmup_steps == "auto" else settings.warmup_steps
        plan = Plan(1, self.steps, warmup if settings.workers > 1 else 0)
        return Job(self, Path(folder), settings, plan, seed, threads)


class _Ticks:
    """Empty batches of one row, as many as there are steps."""

    def __init__(self, steps: int, behind: int) -> None:
        self.steps_per_epoch = self.steps = steps
        self._left = max(0, steps - behind)

    def __iter__(self) -> Iterator[tuple[int, Vector]]:
        for _ in range(self._left):
            yield 0, np.empty((1, 0), np.float32)

    def epochs_done(self, batches: int) -> int:
        """There is one epoch."""
        return batches // self.steps

    def left(self) -> None:
        """There are no rows."""
        return None


class EmulatedWorkload:
    """See `dca.train.workload.Workload`; the gradient is a fixed random vector, the loss 1.

    It is computed once for each place it is wanted in, so that putting it there is no part of the exchange.
    """

    def __init__(self, what: Emulated, seed: int) -> None:
        self._what, self.length = what, what.parameters
        self._gradient = np.random.default_rng(seed).standard_normal(self.length, np.float32)

    def weights(self) -> Vector:
        """Give zeros, float32 (P,)."""
        return np.zeros(self.length, np.float32)

    def load(self, weights: Vector) -> None:
        """Ignore them."""

    def gradient(self, batch: Vector, out: Vector | None = None) -> tuple[Vector, Losses]:  # noqa: ARG002
        """Wait, and give the same vector as always."""
        if out is not None and out is not self._gradient:
            out[:] = self._gradient
            self._gradient = out
        time.sleep(self._what.seconds)
        return self._gradient, Losses.of(1.0, 0.0)

    def warm_up(self) -> None:
        """Nothing is slow."""

    def stream(self, position: Position, worker: int, part: int = 0, parts: int = 1) -> _Ticks:  # noqa: ARG002
        """Give every worker the same number of steps."""
        return _Ticks(self._what.steps, position.batches[worker])

    def validate(self) -> None:
        """Nothing is held out."""
        return None
