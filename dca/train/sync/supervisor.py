"""The supervisor: starts the workers, and starts all of them again when one is lost."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import secrets
import signal
import time
from contextlib import closing, suppress
from typing import Any

import numpy as np

from dca.errors import TrainingError
from dca.train.job import Job
from dca.train.processes import world
from dca.train.processes.nursery import TICK_S, Child, Nursery
from dca.train.processes.process import BEREFT, Assignment, for_user
from dca.train.processes.pulse import Pulse
from dca.train.processes.shared import SharedVector
from dca.train.processes.waited import Waited

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3
START_UP_S = 300  # for all to import TensorFlow and meet, on a crowded machine
STALL_S = 1800  # without a step of any
STOP_S = 300  # for the step under way and its checkpoint, after a signal
SETTLE_S = 1.0  # for the others to show how they end, when one has
_CONSEQUENCES = (BEREFT, -signal.SIGABRT)  # how a worker ends that has lost another


class Supervisor:
    """One training from its beginning to its outcome.

    A world that goes in step cannot go on without one of its members, and dies with it. So after a
    loss all start again from the last checkpoint, a few times: what is lost is the time since then.

    Parameters
    ----------
    job : Job
    fds : dict
        Descriptors of the pickled job and for the result of worker 0.
    nursery : Nursery
    pulse : Pulse
    """

    def __init__(self, job: Job, fds: dict[str, int], nursery: Nursery, pulse: Pulse) -> None:
        self._job, self._fds, self._nursery, self._pulse = job, fds, nursery, pulse
        self._seal = secrets.token_hex(32)
        self._signal: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)

    def run(self) -> None:
        """Train to the end.

        Raises
        ------
        TrainingError
            If workers were lost too often or a signal asked for an end.
        DCAError
            What a worker found wrong with its data.
        """
        with closing(self._nursery):
            for restart in range(MAX_RESTARTS + 1):
                reason = self._session()
                if reason is None:
                    return
                if restart < MAX_RESTARTS:
                    logger.warning("A worker was lost (%s): all go on from the last checkpoint.", reason)
        raise TrainingError(
            "train", f"workers were lost {MAX_RESTARTS + 1} times; the last: {reason}",
            "see the log, and run again: training goes on from the last checkpoint",
        )  # fmt: skip

    def _session(self) -> str | None:
        """Start all and wait until they have ended; why that was before the end of the training, if so."""
        with closing(world.Rendezvous(self._job.settings.workers)) as rendezvous:
            progress = SharedVector.create("progress", self._job.settings.workers)
            workers = [
                self._start(i, rendezvous, progress.fd) for i in range(self._job.settings.workers)
            ]  # fmt: skip
            try:
                return self._watch(workers, progress.array)
            finally:
                self._nursery.end(workers)
                progress.close()

    def _start(self, worker: int, rendezvous: world.Rendezvous, progress: int) -> Child:
        size = self._job.settings.workers
        return self._nursery.start(
            f"worker {worker}",
            "dca.train.sync.worker",
            {**self._fds, "progress": progress},
            {"worker": worker, "threads": max(1, self._job.cores // size), "seal": self._seal},
            rendezvous.environment(worker, START_UP_S),
        )

    def _watch(self, workers: list[Child], progress: np.ndarray) -> str | None:
        seen, waited, stop_by = progress.copy(), Waited(), float("inf")
        while any(child.status is None for child in workers):
            time.sleep(TICK_S)
            self._pulse.beat()
            self._nursery.attend()
            if any(child.status for child in workers):
                return self._loss(workers)
            if not np.array_equal(seen, progress):
                seen = progress.copy()
                waited.restart()
            if self._signal and stop_by == float("inf"):
                stop_by = time.monotonic() + STOP_S
            if self._signal:
                # Again and again: it is deaf until its training has begun. Later ones do nothing.
                self._pass_on(workers[0])
            if time.monotonic() > stop_by:
                return f"{workers[0].role} did not stop within {STOP_S} s"
            if waited.look() > (STALL_S if progress.all() else START_UP_S):
                return f"no worker made progress for {waited.look():.0f} s"
        return None

    def _pass_on(self, worker: Child) -> None:
        if worker.status is None:
            with suppress(ProcessLookupError):  # It has ended, and word of that is under way.
                os.kill(worker.pid, signal.SIGTERM)

    def _loss(self, workers: list[Child]) -> str:
        """Tell why the first of them ended; raise the error for the user if there is one."""
        deadline = time.monotonic() + SETTLE_S
        while any(child.status is None for child in workers) and time.monotonic() < deadline:
            time.sleep(TICK_S)
            self._nursery.attend()
        for child in workers:
            if child.error is not None:
                raise child.error
        failed = [child for child in workers if child.status]
        reason = min(failed, key=lambda child: child.status in _CONSEQUENCES).reason
        if self._signal:
            name = signal.Signals(self._signal).name
            raise TrainingError("train", f"was stopped by {name} ({reason})", "run again to go on")
        return reason

    def _note_signal(self, number: int, _: Any) -> None:
        self._signal = number


def main(assignment: Assignment) -> None:
    """Supervise a training; an error goes where worker 0 would put the outcome."""
    logging.getLogger().setLevel(assignment.task["log_level"])
    job: Job = assignment.load("job")
    # For the workers to inherit.
    world.preload()
    importlib.import_module("dca.train.sync.worker")
    nursery, pulse = Nursery(), Pulse(assignment.fds.pop("pulse"))
    try:
        Supervisor(job, assignment.fds, nursery, pulse).run()
    except Exception as error:
        os.ftruncate(assignment.fds["result"], 0)
        os.lseek(assignment.fds["result"], 0, os.SEEK_SET)  # Worker 0 shares the place in it.
        with os.fdopen(assignment.fds["result"], "wb") as target:
            pickle.dump(for_user(error), target)
