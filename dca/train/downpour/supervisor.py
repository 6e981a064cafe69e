"""The supervisor: starts servers and workers, keeps the record, ends the job cleanly."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import signal
import time
from collections import Counter
from typing import Any

from dca.errors import DCAError, TrainingError
from dca.train.downpour.background import Background, Snapshot
from dca.train.downpour.crew import Crew
from dca.train.downpour.journal import Journal
from dca.train.downpour.messages import Push
from dca.train.downpour.servers import Servers
from dca.train.downpour.start import begin
from dca.train.downpour.state import ServerState
from dca.train.job import Job, Outcome
from dca.train.processes import world
from dca.train.processes.channel import ChannelClosedError
from dca.train.processes.nursery import Nursery
from dca.train.processes.process import Assignment, for_user
from dca.train.processes.pulse import Pulse
from dca.train.processes.site import Site
from dca.train.processes.starters import starter

logger = logging.getLogger(__name__)

PATIENCE = 20  # gradients in a row of one worker that may be not finite
TICK_S = 0.1
ANSWER_S = 30  # for the servers to answer, when the job ends


class Supervisor:
    """One training from its beginning to its outcome.

    Its loop never blocks for longer than a tick, or all workers would wait for a server that waits to tell it
    something: what takes time, validation and checkpoints, is done in a thread on a copy of the weights, and
    tables are written in threads of their own.

    Parameters
    ----------
    job : Job
    job_fd : int
        Descriptor of the same, pickled, for the workers.
    nursery : Nursery
    site : Site
    pulse : Pulse
    """

    def __init__(self, job: Job, job_fd: int, nursery: Nursery, site: Site, pulse: Pulse) -> None:
        self._job, self._nursery, self._pulse = job, nursery, pulse
        self._signal: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        self._start = begin(job)
        self._state = self._start.state
        self._last: Snapshot | None = None
        self._rejections: Counter[int] = Counter()
        self._next_checkpoint = time.monotonic() + job.settings.checkpoint_s
        self._journal = Journal(job, self._start.resumed, self._start.elapsed_s, self._planned_updates())
        self._background = Background(self._start, self._journal, pulse.beat)
        self._servers = Servers(job, self._start, nursery)
        self._starter = starter(site, nursery, job.folder)
        self._crew = Crew(
            job, job_fd, self._start, nursery, self._starter, self._servers.attach,
            lambda: self._servers.tell("deal"), self._journal,
        )  # fmt: skip
        self._background.epochs_validated = self._epochs_done()

    def run(self) -> Outcome:
        """Train to the end.

        Raises
        ------
        TrainingError
            If a server died, every worker was lost or a signal asked for an end.
        DCAError
            What a worker found wrong with its data.
        """
        try:
            if not self._complete:
                self._crew.start()
            while not self._crew.over:
                if self._complete:
                    self._crew.send_home()
                self._listen(TICK_S)
                self._watch()
                self._keep_house()
                if self._signal:
                    self._stop()
            return self._outcome()
        except ChannelClosedError:
            raise self._server_lost() from None
        finally:
            self._starter.close()
            self._nursery.close()
            self._journal.close()

    @property
    def _complete(self) -> bool:
        most = self._job.settings.max_steps
        return most is not None and self._state.updates >= most

    def _planned_updates(self) -> int:
        settings = self._job.settings
        planned = sum(-(-stream.steps // settings.n_push) for stream in self._start.streams)
        return min(planned, settings.max_steps or planned)

    def _epochs_done(self) -> int:
        """Epochs that all workers but those given up have behind them."""
        workers = zip(self._state.workers, self._start.streams, strict=True)
        return min(
            (
                stream.epochs_done(own.position)
                for i, (own, stream) in enumerate(workers)
                if stream.steps and i not in self._crew.given_up
            ),
            default=0,
        )

    # The servers --------------------------------------------------------------------------------

    def _listen(self, timeout: float) -> None:
        """Take in what the servers have to tell, and wait for it for `timeout` seconds at most."""
        self._pulse.beat()
        for message in self._servers.listen(timeout):
            getattr(self, f"_on_{message.pop('kind')}")(**message)

    def _on_joined(self, worker: int) -> None:
        self._crew.enter(worker, "wait")

    def _on_started(self, worker: int) -> None:
        self._crew.enter(worker, "train")
        self._journal.started(worker)

    def _on_update(self, worker: int, push: list[float], row: dict[str, Any]) -> None:
        header = Push(*push)
        own = self._state.workers[worker]
        own.position, own.updates = int(header.position), own.updates + 1
        own.rows += int(header.rows)
        self._state.updates = row["step"]
        self._rejections[worker] = 0
        self._crew.pushed(worker)
        self._journal.update(header, row)
        epochs = self._epochs_done()
        if epochs > self._background.epochs_validated and epochs < self._job.settings.epochs:
            self._background.want_validation(epochs)

    def _on_refused(self, worker: int, position: int, finite: float, rejected: int, dropped: int) -> None:
        self._state.workers[worker].position = position
        self._crew.pushed(worker)
        if finite:
            logger.info("A gradient of worker %d was too old: dropped (%d so far).", worker, dropped)
            return
        logger.warning("A gradient of worker %d was not finite: not applied (%d so far).", worker, rejected)
        self._rejections[worker] += 1
        if self._rejections[worker] == PATIENCE:
            self._crew.stop(worker, f"its last {PATIENCE} gradients were not finite")

    def _on_snapshot(self, state: dict[str, Any], final: bool) -> None:
        start = self._start
        snapshot = Snapshot.copy(start.vectors, start.snapshot.array, ServerState.from_json(state))
        self._servers.taken()
        if final:
            self._last = snapshot
        else:
            self._background.take(snapshot)

    def _on_detached(self, worker: int, done: bool, **counts: int) -> None:
        for name, value in counts.items():
            setattr(self._state.workers[worker], name, value)
        if self._signal:
            return
        self._crew.detached(worker, done or self._complete)
        if worker == 0 and worker in self._crew.given_up:
            self._servers.tell("first_lost")

    def _watch(self) -> None:
        self._nursery.attend()
        self._servers.watch()
        self._crew.watch()

    def _server_lost(self) -> TrainingError:
        why = self._servers.why_lost()
        return TrainingError("train", f"a parameter server was lost: {why}", self._remedy())

    def _remedy(self) -> str:
        saved = self._background.saved
        return "run again: training " + ("starts anew" if saved is None else f"goes on from update {saved}")

    # Records ------------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        if time.monotonic() >= self._next_checkpoint:
            self._background.want_checkpoint()
            self._next_checkpoint = time.monotonic() + self._job.settings.checkpoint_s
        if self._background.ready():
            self._servers.ask_for_snapshot(final=False)

    def _final_snapshot(self) -> Snapshot:
        """Get the last state, and save it as a checkpoint."""
        self._servers.ask_for_snapshot(final=True)
        deadline = time.monotonic() + ANSWER_S
        while self._last is None:
            self._listen(TICK_S)
            if time.monotonic() > deadline:
                raise ChannelClosedError
        self._background.save_now(self._last)
        return self._last

    def _note_signal(self, number: int, _: Any) -> None:
        self._signal = number

    def _stop(self) -> None:
        assert self._signal is not None
        self._crew.dismiss()
        last = self._final_snapshot()
        raise TrainingError(
            "train", f"was stopped by {signal.Signals(self._signal).name} after update {last.state.updates}",
            self._remedy(),
        )  # fmt: skip

    def _outcome(self) -> Outcome:
        last = self._final_snapshot()
        self._servers.tell("exit")
        self._background.validate_now(last, max(0, self._epochs_done() - 1))
        self._journal.flush()
        state, history = last.state, self._journal.history
        initial, validation = history.validation_losses()
        details = {
            "initial_validation_loss": initial and initial.as_dict(),
            "stall": history.stall(),
            "staleness": {str(key): state.staleness[key] for key in sorted(state.staleness)},
            "rows_by_worker": [own.rows for own in state.workers],
            "updates_by_worker": [own.updates for own in state.workers],
            "dropped_updates": sum(own.dropped for own in state.workers),
            "restarts_by_worker": [self._crew.restarts[i] for i in range(len(state.workers))],
            "lost_workers": {str(worker): why for worker, why in self._crew.given_up.items()},
        }
        return Outcome(
            last.weights,
            state.updates,
            state.rows,
            self._journal.elapsed_s,
            state.rejected,
            history.training_loss(
                -(-sum(s.steps_per_epoch for s in self._start.streams) // self._job.settings.n_push)
            ),
            validation,
            self._start.place(state).rows_left(self._start.workload, self._job.settings.epochs),
            details,
        )


def main(assignment: Assignment) -> None:
    """Supervise a training, and leave its outcome or its error in the descriptor ``result``."""
    logging.getLogger().setLevel(assignment.task["log_level"])
    job: Job = assignment.load("job")
    # For agents and workers to inherit.
    site = Site.from_json(assignment.task["site"])
    world.set_cycle(job.settings.workers * job.settings.servers + site.crowd, job.cores)
    world.preload()
    importlib.import_module("dca.train.downpour.worker")
    result: Outcome | DCAError
    try:
        pulse = Pulse(assignment.fds["pulse"])
        result = Supervisor(job, assignment.fds["job"], Nursery(), site, pulse).run()
    except Exception as error:
        result = for_user(error)
    with os.fdopen(assignment.fds["result"], "wb") as target:
        pickle.dump(result, target)
