"""Checkpoints and validation beside the training, on copies of the weights."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dca.errors import DCAError, OutputError, TrainingError
from dca.train.checkpoint import Checkpoint
from dca.train.downpour.journal import Journal
from dca.train.downpour.start import Beginning
from dca.train.downpour.state import ServerState
from dca.train.losses import Losses
from dca.train.processes.waited import Waited

logger = logging.getLogger(__name__)

Vector = NDArray[np.float32]

TICK_S = 0.1
SAVE_S = 600  # for the last checkpoint, and one under way
VALIDATE_S = 7200  # for the last validation, and what is under way


@dataclass(frozen=True)
class Snapshot:
    """One version of the whole state."""

    arrays: dict[str, Vector]
    state: ServerState

    @property
    def weights(self) -> Vector:
        """The weights, float32 (P,)."""
        return self.arrays["weights"]

    @classmethod
    def copy(cls, names: Sequence[str], vector: Vector, state: ServerState) -> Snapshot:
        """From the vector that contains those of these names, one after the other."""
        arrays = np.split(vector.copy(), len(names))
        return cls(dict(zip(names, arrays, strict=True)), state)


class _Done(NamedTuple):
    """Something that was done, to be recorded."""

    phase: str
    begin: float
    end: float
    updates: int
    samples: int
    epoch: int
    losses: Losses | None = None


class Background:
    """Does one thing at a time in a thread of its own.

    Wishes are gathered; `ready` says when a snapshot should be asked for; `take` gets it and begins.
    All methods are the main thread's; only it adds to the journal.

    Parameters
    ----------
    start : Beginning
    journal : Journal
    beat : callable
        Called again and again while something is waited for.

    Attributes
    ----------
    saved : int or None
        Updates of the newest checkpoint on disk.
    epochs_validated : int
        Epochs after which the validation loss was taken, or is going to be.
    """

    def __init__(self, start: Beginning, journal: Journal, beat: Callable[[], None]) -> None:
        self._start, self._journal, self._beat = start, journal, beat
        self._thread = ThreadPoolExecutor(1, "background")
        self._saving = threading.Lock()
        self._running: Future[None] | None = None
        self._done: deque[_Done] = deque()
        self._checkpoint_wanted = self._validation_wanted = self._asked = False
        self.saved = start.resumed
        self.epochs_validated = 0
        if start.resumed is None:
            self._running = self._thread.submit(
                self._validate, start.vector.array[: start.length].copy(), 0, 0, 0
            )

    def want_checkpoint(self) -> None:
        """Save the next snapshot."""
        self._checkpoint_wanted = True

    def want_validation(self, epochs: int) -> None:
        """Validate the next snapshot, which is that after `epochs` epochs."""
        self._validation_wanted, self.epochs_validated = True, epochs

    def ready(self) -> bool:
        """Whether to ask for a snapshot now: there is a wish, and the thread is free.

        Raises
        ------
        OutputError
            If the last checkpoint could not be written.
        """
        self._collect()
        wanted = self._checkpoint_wanted or self._validation_wanted
        if self._running is not None or self._asked or not wanted:
            return False
        self._asked = True
        return True

    def take(self, snapshot: Snapshot) -> None:
        """Begin what was wished for."""
        save, validate = self._checkpoint_wanted, self._validation_wanted
        self._checkpoint_wanted = self._validation_wanted = self._asked = False
        checkpoint = self._checkpoint(snapshot)
        epoch = self.epochs_validated - 1

        def work() -> None:
            if save:
                self._save(checkpoint, epoch)
            if validate:
                self._validate(snapshot.weights, snapshot.state.updates, snapshot.state.rows, epoch)

        self._running = self._thread.submit(work)

    def save_now(self, snapshot: Snapshot) -> None:
        """Save a checkpoint at once, beside a validation, but not beside another checkpoint.

        Raises
        ------
        OutputError
            If it cannot be written, or takes longer than `SAVE_S`.
        """
        saving = ThreadPoolExecutor(1, "last").submit(
            self._save, self._checkpoint(snapshot), self.epochs_validated - 1
        )
        folder = self._start.checkpoints.folder
        self._await(saving, SAVE_S, OutputError(
            folder, f"a checkpoint is not written after {SAVE_S} s",
            "look after the disk, or the file server, and run again",
        ))  # fmt: skip

    def validate_now(self, snapshot: Snapshot, epoch: int) -> None:
        """Validate and record, when the thread has done what it is at.

        Raises
        ------
        TrainingError
            If that takes longer than `VALIDATE_S`.
        """
        state = snapshot.state
        last = self._thread.submit(self._validate, snapshot.weights, state.updates, state.rows, epoch)
        self._await(last, VALIDATE_S, TrainingError(
            "train", f"the last validation has not ended after {VALIDATE_S} s",
            "run again: training is complete, and only this is left to do",
        ))  # fmt: skip
        self._collect()

    def _await(self, work: Future[None], limit: float, too_late: DCAError) -> None:
        """Wait for something to be done, but not for ever, and raise what it raised."""
        waited = Waited()
        while not wait([work], TICK_S).done:
            self._beat()
            if waited.look() > limit:
                raise too_late
        work.result()

    def _checkpoint(self, snapshot: Snapshot) -> Checkpoint:
        state = snapshot.state
        return Checkpoint(
            state.updates, state.rows, state.rejected, self._journal.elapsed_s,
            self._start.place(state), snapshot.arrays, {"downpour": state.to_json()},
        )  # fmt: skip

    def _save(self, checkpoint: Checkpoint, epoch: int) -> None:
        begin = time.time()
        with self._saving:  # Two of the same update would be written to one file.
            # The tables first: the rows of a checkpoint are then never missing.
            self._journal.flush()
            self._start.checkpoints.save(checkpoint)
            self.saved = checkpoint.step
        self._done.append(_Done("checkpoint", begin, time.time(), self.saved, checkpoint.samples, epoch))

    def _validate(self, weights: Vector, updates: int, samples: int, epoch: int) -> None:
        begin = time.time()
        self._start.workload.load(weights)
        losses = self._start.workload.validate()
        self._done.append(_Done("validate", begin, time.time(), updates, samples, epoch, losses))

    def _collect(self) -> None:
        """Record what was done since; raise what the thread raised."""
        if self._running is not None and self._running.done():
            finished, self._running = self._running, None
            finished.result()
        while self._done:
            done = self._done.popleft()
            self._journal.phase(None, done.phase, done.begin, done.end, done.updates)
            if done.losses is not None:
                self._journal.validation(done.losses, done.updates, done.samples, done.epoch)
                logger.info("Validation loss after %d updates: %.3f", done.updates, done.losses.total)
