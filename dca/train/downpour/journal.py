"""What the supervisor writes down while others work: history, timeline and progress bar."""

from __future__ import annotations

import time
from typing import Any

from tqdm import tqdm

from dca.train.downpour.messages import Push
from dca.train.history import HISTORY, TIMELINE, Record
from dca.train.job import Job
from dca.train.losses import Losses


class Journal:
    """The record of one training.

    Parameters
    ----------
    job : Job
    updates : int or None
        Updates of the checkpoint that training goes on from; None for a fresh start.
    elapsed_s : float
        Seconds of training before this session.
    total : int
        Updates in all, for the progress bar.

    Attributes
    ----------
    history, timeline : Record
    """

    def __init__(self, job: Job, updates: int | None, elapsed_s: float, total: int) -> None:
        self.history = Record(job.folder / "history.tsv", HISTORY, updates)
        self.timeline = Record(job.folder / "timeline.tsv", TIMELINE, updates)
        self._origin = time.time() - elapsed_s
        self._last_row: dict[int, float] = {}  # worker: time of its last row
        self._begin: tuple[float, int] | None = None  # of this session: time and samples
        self._bar = tqdm(total=total, initial=updates or 0, desc="train", unit="update")

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, earlier sessions included."""
        return time.time() - self._origin

    def phase(self, worker: int | None, name: str, begin: float, end: float, updates: int) -> None:
        """Add a phase of a worker, or of the supervisor (None); times in seconds since 1970."""
        self.timeline.add(
            worker=worker, phase=name, start_s=round(begin - self._origin, 4),
            end_s=round(end - self._origin, 4), step=updates,
        )  # fmt: skip

    def started(self, worker: int) -> None:
        """Note that a worker, or its successor, begins to train."""
        self._last_row[worker] = self.elapsed_s

    def update(self, push: Push, row: dict[str, Any]) -> None:
        """Record an update: a row of history, and what its worker did since the last one."""
        worker, now = row["worker"], self.elapsed_s
        speed = push.rows / max(1e-6, now - self._last_row.get(worker, 0.0))
        self._last_row[worker] = now
        self.history.add(**row, time_s=round(now, 3), samples_per_s=round(speed, 1), split="train")
        for phase, begin, end in (
            ("exchange", push.exchange_start, push.exchange_end),
            ("read", push.read_start, push.compute_start),
            ("compute", push.compute_start, push.compute_end),
        ):
            if begin:
                self.phase(worker, phase, begin, end, row["step"])
        if self._begin is None:
            self._begin = now, row["samples"]
        overall = (row["samples"] - self._begin[1]) / max(1e-6, now - self._begin[0])
        self._bar.set_postfix_str(f"loss {push.loss:.2f}, {overall:.0f} samples/s", refresh=False)
        self._bar.update()

    def validation(self, losses: Losses, updates: int, samples: int, epoch: int) -> None:
        """Record a validation loss."""
        self.history.add(
            step=updates, epoch=epoch, time_s=round(self.elapsed_s, 3), samples=samples,
            **losses.as_dict(), split="validation",
        )  # fmt: skip

    def flush(self) -> None:
        """Bring both tables up to date on disk; any thread may."""
        self.history.flush()
        self.timeline.flush()

    def close(self) -> None:
        """End the progress bar, and wait for what is being written."""
        self._bar.close()
        self.history.close()
        self.timeline.close()
