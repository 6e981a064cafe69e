"""What a training loop writes down as it goes: history, timeline and progress bar."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dca.train.history import HISTORY, TIMELINE, Record
from dca.train.losses import Losses
from dca.train.team import Contribution, Lap

logger = logging.getLogger(__name__)


class Logbook:
    """The record of one training, and its clock.

    Parameters
    ----------
    folder : path
        For history.tsv and timeline.tsv.
    keep : int or None
        Updates of the checkpoint that training goes on from; None for a fresh start.
    elapsed_s : float
        Seconds of training before this session.
    record : bool
        False: only the clock runs.
    """

    def __init__(self, folder: Path, keep: int | None, elapsed_s: float, record: bool = True) -> None:
        self.history = Record(folder / "history.tsv", HISTORY, keep)
        self.timeline = Record(folder / "timeline.tsv", TIMELINE, keep)
        self._record = record
        self._begin, self._last_row = time.monotonic() - elapsed_s, elapsed_s
        self._bar: Any = None

    def clock(self) -> float:
        """Seconds of training so far, earlier sessions included."""
        return time.monotonic() - self._begin

    def progress(self, total: int, done: int) -> Any:
        """Open the progress bar, a context manager."""
        self._bar = tqdm(
            total=total, initial=done, desc="train", unit="step", mininterval=1, disable=not self._record
        )
        return self._bar

    def phase(self, name: str, begin: float, step: int, end: float | None = None, worker: int = 0) -> float:
        """Record a phase, that ends now unless it is said; give when that is."""
        end = self.clock() if end is None else end
        if self._record:
            self.timeline.add(
                worker=worker, phase=name, start_s=round(begin, 4), end_s=round(end, 4), step=step
            )
        return end

    def laps(self, laps: Sequence[Lap], base: float, exchanged: float, step: int) -> None:
        """Record what each process did between two exchanges, at `base` and `exchanged`."""
        for worker, lap in enumerate(laps):
            # The clocks of two processes may differ by the time that a message takes.
            read, compute, end = (min(base + seconds, exchanged) for seconds in lap)
            self.phase("read", read, step, compute, worker)
            self.phase("compute", compute, step, end, worker)
            if len(laps) > 1:
                self.phase("exchange", end, step, exchanged, worker)

    def pause(self, name: str, begin: float, step: int) -> float:
        """Record a phase that is not counted in the speed of training."""
        end = self.phase(name, begin, step)
        self._last_row += end - begin
        return end

    def update(
        self, joint: Contribution, step: int, epoch: int, worker: int | None, samples: int, rate: float
    ) -> None:
        """Record an update, and show it."""
        now = self.clock()
        since, self._last_row = now - self._last_row, now
        speed = joint.rows / since
        waited = sum(lap.read_end - lap.read_begin for lap in joint.laps) / len(joint.laps)
        if self._record and np.isfinite(joint.losses.total):
            self.history.add(
                step=step, epoch=epoch, worker=worker, time_s=round(now, 3), samples=samples,
                **joint.losses.as_dict(), learning_rate=rate, staleness=0,
                samples_per_s=round(speed, 1), stall=round(min(1.0, waited / since), 4), split="train",
            )  # fmt: skip
        self._bar.set_postfix_str(f"loss {joint.losses.total:.2f}, {speed:.0f} samples/s", refresh=False)
        self._bar.update()

    def validation(self, losses: Losses, begin: float, step: int, epoch: int, samples: int) -> None:
        """Record a validation that began at `begin` and ends now."""
        end = self.pause("validate", begin, step)
        self.history.add(
            step=step, epoch=epoch, time_s=round(end, 3), samples=samples, **losses.as_dict(),
            split="validation",
        )  # fmt: skip
        logger.info("Validation loss after %d updates: %.3f", step, losses.total)

    def flush(self) -> None:
        """Bring both tables up to date on disk."""
        self.history.flush()
        self.timeline.flush()
