"""The workers of a training as a whole: who is at work, who was replaced, who has finished."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable

from dca.errors import TrainingError
from dca.train.downpour.journal import Journal
from dca.train.downpour.pair import Attach, Pair
from dca.train.downpour.start import Beginning
from dca.train.job import Job
from dca.train.processes.nursery import Nursery
from dca.train.processes.process import pickled
from dca.train.processes.starters import Starter

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3  # of one worker


class Crew:
    """Starts, watches and replaces the pairs of a worker and its agents.

    A lost pair goes through two steps: its processes are ended (`watch`), and when the server has
    seen that, and so knows what came through, a successor goes on from there (`detached`). If there
    have been too many, the rows that are left are dealt out to the others: all end, at the cost of the
    step under way, and when the server has seen that, start again with their new shares. If nobody can tell
    what is left, they just go on.

    Parameters
    ----------
    job : Job
    job_fd : int
        Descriptor of the same, pickled.
    beginning : Beginning
        The place in the data, and who has rows left.
    nursery : Nursery
    starter : Starter
    attach : callable
        Makes an agent known to the server.
    dealt : callable
        Makes the servers know that the rows were dealt out anew.
    journal : Journal

    Attributes
    ----------
    finished : set of int
        Workers that have pushed their last batch.
    given_up : dict
        Worker to the reason why its last successor was lost.
    restarts : Counter
    """

    def __init__(
        self, job: Job, job_fd: int, beginning: Beginning, nursery: Nursery, starter: Starter, attach: Attach,
        dealt: Callable[[], None], journal: Journal,
    ) -> None:  # fmt: skip
        self._job, self._beginning, self._nursery, self._starter = job, beginning, nursery, starter
        self._attach, self._dealt, self._journal = attach, dealt, journal
        self._state = beginning.state
        self._fds = {"job": job_fd, "position": pickled("position", beginning.positions[-1])}
        self._pairs: dict[int, Pair] = {}
        self._reasons: dict[int, str] = {}
        self._attached: set[int] = set()
        self._dealing = False
        self._stopped: set[int] = set()
        self.finished = {i for i, own in enumerate(self._state.workers) if own.done}
        self.given_up: dict[int, str] = {}
        self.restarts: Counter[int] = Counter()

    def start(self) -> None:
        """Start all that have rows left."""
        for worker in range(len(self._state.workers)):
            if worker not in self.finished | self.given_up.keys():
                self._start(worker)

    def _start(self, worker: int) -> None:
        settings = self._job.settings
        task = {
            "worker": worker,
            "length": self._beginning.length,
            "servers": settings.servers,
            "compression": settings.compression,
            "n_push": settings.n_push,
            "n_fetch": settings.n_fetch,
            "threads": max(1, self._job.cores // self._starter.site.crowd),
            "gpu": self._starter.site.local_rank(worker),
            "position": self._state.workers[worker].position,
            "seal": self._starter.seal,
        }
        self._attached.add(worker)
        self._pairs[worker] = Pair(worker, task, self._fds, self._nursery, self._starter, self._attach)

    @property
    def over(self) -> bool:
        """Whether every process has ended and nobody is to be replaced."""
        settled = self.finished | self.given_up.keys()
        return not self._pairs and not self._dealing and len(settled) == len(self._state.workers)

    def enter(self, worker: int, phase: str) -> None:
        """Note that a worker leaves its phase for another."""
        pair = self._pairs.get(worker)
        if pair is not None:
            if pair.phase != "train":  # Of that the pushes tell in more detail.
                self._record(pair, pair.phase)
            pair.enter(phase)

    def pushed(self, worker: int) -> None:
        """Note that a worker makes progress."""
        pair = self._pairs.get(worker)
        if pair is not None:
            pair.enter("train")

    def watch(self) -> None:
        """Look after all processes.

        Raises
        ------
        DCAError
            What a process found wrong that the user has to mend; a successor would find the same.
        """
        for worker, pair in list(self._pairs.items()):
            reason = pair.failure()
            if reason is not None or pair.error is not None:
                self._drop(worker, pair.autopsy() or reason or "")
            elif pair.gone:
                self._pairs.pop(worker).close()

    def send_home(self) -> None:
        """Have all end: those at work hear it when they next fetch, the others are not needed."""
        for worker, pair in list(self._pairs.items()):
            if pair.phase == "train":
                self.enter(worker, "leave")
            elif pair.phase != "leave":
                self._drop(worker, "no longer needed")
        self.finished |= set(range(len(self._state.workers))) - self.given_up.keys()

    def dismiss(self) -> None:
        """End all at once."""
        for worker in list(self._pairs):
            self._drop(worker, "dismissed")

    def _drop(self, worker: int, reason: str) -> None:
        pair = self._pairs.pop(worker)
        self._record(pair, "lost" if pair.phase == "train" else pair.phase)
        pair.close()
        self._reasons[worker] = reason

    def _record(self, pair: Pair, phase: str) -> None:
        self._journal.phase(pair.worker, phase, pair.since, time.time(), self._state.updates)

    def detached(self, worker: int, done: bool) -> None:
        """Note that the server has seen the end of an agent; if it was untimely, replace the pair.

        Raises
        ------
        DCAError
            If the user has to mend something, or no worker is left.
        """
        self._attached.discard(worker)
        if done:
            self.finished.add(worker)
        if self._dealing:
            self._deal()
            return
        if worker in self.finished:
            self.enter(worker, "leave")
            return
        if worker in self._pairs:  # Its end has not been noticed yet.
            self._drop(worker, self._pairs[worker].autopsy() or f"agent {worker}.0 left")
        if worker in self.given_up:
            return
        reason = self._reasons[worker]
        if self.restarts[worker] < MAX_RESTARTS:
            self.restarts[worker] += 1
            logger.warning(
                "Worker %d was lost (%s): a successor goes on from its batch %d.",
                worker, reason, self._state.workers[worker].position,
            )  # fmt: skip
            self._start(worker)
            return
        known = self._beginning.streams[worker].left() is not None
        logger.error(
            "Worker %d was lost %d times (%s): the others %s.", worker, MAX_RESTARTS + 1, reason,
            "take over its rows" if known else "go on without its batches",
        )  # fmt: skip
        self._give_up(worker, reason)
        if not known:
            return
        self._dealing = True
        self.dismiss()
        self._deal()

    def stop(self, worker: int, reason: str) -> None:
        """End a worker for good. Its rows are dealt to nobody: they are what is wrong with it.

        Raises
        ------
        TrainingError
            If no worker is left.
        """
        logger.error("Worker %d is stopped (%s): the others go on.", worker, reason)
        if worker in self._pairs:
            self._drop(worker, reason)
        self._stopped.add(worker)
        self._give_up(worker, reason)

    def _give_up(self, worker: int, reason: str) -> None:
        self.given_up[worker] = reason
        if len(self.given_up) == len(self._state.workers):
            raise TrainingError(
                "train", f"no worker is left; the last: {reason}", "see the log, and run again to go on"
            )

    def _deal(self) -> None:
        """When all have ended, deal out what is left and start again."""
        if self._attached:
            return
        self._dealing = False
        position = self._beginning.deal(tuple(sorted(self.given_up)), tuple(sorted(self._stopped)))
        os.close(self._fds["position"])
        self._fds["position"] = pickled("position", position)
        self._dealt()
        busy = {i for i, stream in enumerate(self._beginning.streams) if stream.steps}
        self.finished = set(range(len(self._state.workers))) - busy - self.given_up.keys()
        self.start()
