"""Emulated compute whose length follows a clock that all workers share, and their steady rate at each."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from dca.train.emulated import PAPER_PARAMETERS, Emulated, EmulatedWorkload
from dca.train.job import Job
from dca.train.losses import Losses
from dca.train.position import Position

BEFORE_S = 0.2  # a step, until all workers are at work
_MANY = 10**6  # steps; the clock ends them


@dataclass(frozen=True)
class Paced:
    """A source of workloads that go through stages together; see `dca.train.workload.Source`.

    The first stage begins when every worker has begun to train, so start-up is in none.

    Parameters
    ----------
    folder : Path
        Where workers find the clock, and leave when their steps began.
    workers : int
    stages : tuple of (float, float)
        Length of a step, and of the stage, in seconds.
    parameters : int
        P.
    """

    folder: Path
    workers: int
    stages: tuple[tuple[float, float], ...]
    parameters: int = PAPER_PARAMETERS

    @property
    def identity(self) -> str:
        """Of its numbers."""
        return repr(self)

    def __call__(self, job: Job) -> PacedWorkload:
        """Make the workload in the process that calls."""
        return PacedWorkload(self, job.seed)

    def begin(self) -> float | None:
        """When the first stage began, in seconds since 1970; None if it has not."""
        with suppress(FileNotFoundError):
            return float((self.folder / "begin").read_text())
        return None

    def report(self) -> None:
        """Note that a worker has begun; the last one starts the clock."""
        (self.folder / f"at-work-{os.getpid()}").touch()
        if len(list(self.folder.glob("at-work-*"))) < self.workers:
            return
        own = self.folder / f"begin-{os.getpid()}"
        own.write_text(repr(time.time()))
        with suppress(FileExistsError):
            (self.folder / "begin").hardlink_to(own)

    def pause(self, elapsed: float) -> float | None:
        """Length of a step that begins so long after the clock; None if all stages are over."""
        for (seconds, _), end in zip(self.stages, self._ends(), strict=True):
            if elapsed < end:
                return seconds
        return None

    def _ends(self) -> list[float]:
        return list(accumulate(duration for _, duration in self.stages))

    def periods(self) -> list[list[list[float]]]:
        """Seconds from each step to the next, by stage and worker; the first step of a stage left out.

        Raises
        ------
        RuntimeError
            If a stage was too short for two steps.
        """
        begin = self.begin()
        files = sorted(self.folder.glob("steps-*.npy"))
        if begin is None or len(files) != self.workers:
            raise RuntimeError(f"{len(files)} of {self.workers} workers left their times in {self.folder}")
        starts = [np.load(path) - begin for path in files]
        found, previous = [], 0.0
        for (seconds, _), end in zip(self.stages, self._ends(), strict=True):
            # A step that began in the stage before, and then the first one of this.
            first = previous + (1.5 * seconds if seconds else 1.0)
            inside = [own[(own >= first) & (own <= end)] for own in starts]
            if min(len(own) for own in inside) < 2:
                raise RuntimeError(f"a stage of {end - previous} s is too short for steps of {seconds} s")
            found.append([np.diff(own).tolist() for own in inside])
            previous = end
        return found


def rate(periods: list[list[float]]) -> float:
    """Steps per second of all workers together."""
    return sum(1 / statistics.fmean(own) for own in periods)


class _UntilOver:
    """Empty batches of one row until the clock ends them."""

    steps_per_epoch = steps = _MANY

    def __init__(self, workload: PacedWorkload) -> None:
        self._workload = workload

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        while not self._workload.over:
            yield 0, np.empty((1, 0), np.float32)
        self._workload.leave()

    def epochs_done(self, batches: int) -> int:
        """There is one epoch, and it does not end."""
        return batches // _MANY

    def left(self) -> None:
        """There are no rows."""
        return None


class PacedWorkload(EmulatedWorkload):
    """See `dca.train.workload.Workload`; it notes when each step begins."""

    def __init__(self, paced: Paced, seed: int) -> None:
        super().__init__(Emulated(0.0, _MANY, paced.parameters), seed)
        self._paced, self._begin = paced, None
        self._starts: list[float] = []

    def gradient(self, batch: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, Losses]:
        """Wait as long as it is time for, and give the same vector as always."""
        now = time.time()
        self._starts.append(now)
        if len(self._starts) == 1:
            self._paced.report()
        self._begin = self._begin or self._paced.begin()
        pause = BEFORE_S if self._begin is None else self._paced.pause(now - self._begin)
        time.sleep(pause or 0.0)
        return super().gradient(batch, out)

    @property
    def over(self) -> bool:
        """Whether the clock has ended."""
        return self._begin is not None and self._paced.pause(time.time() - self._begin) is None

    def leave(self) -> None:
        """Write down when the steps began."""
        np.save(self._paced.folder / f"steps-{os.getpid()}.npy", self._starts)

    def stream(self, position: Position, worker: int, part: int = 0, parts: int = 1) -> _UntilOver:  # noqa: ARG002
        """Give every worker as many steps as there is time for."""
        return _UntilOver(self)


def gaps(stage: list[list[float]]) -> list[float]:
    """All periods of a stage."""
    return [period for own in stage for period in own]


def stages(pauses: list[float], quick: bool) -> tuple[tuple[float, float], ...]:
    """How long to stay with each length of a step: four to fourteen periods of an undisturbed worker."""
    return tuple((pause, 3 * pause + 1 if quick else max(4.0, 4.6 * pause + 1)) for pause in pauses)
