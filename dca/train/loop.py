"""The training loop of processes that go in step, one or several: gradient, update, next batch."""

from __future__ import annotations

import logging
import signal
import sys

import numpy as np

from dca.errors import TrainingError
from dca.train.checkpoint import Checkpoint, Checkpoints
from dca.train.data import Rows
from dca.train.interrupt import Interrupt, deferred_signals
from dca.train.job import Job, Outcome
from dca.train.logbook import Logbook
from dca.train.losses import Losses
from dca.train.optimizers import OPTIMIZERS, clip, new_state
from dca.train.position import Position
from dca.train.team import Contribution, Lap, Team
from dca.train.workload import Workload

logger = logging.getLogger(__name__)

PATIENCE = 20  # gradients in a row that may be not finite


class Loop:
    """One process's side of a training. Number 0 of a team keeps the record, and all have the weights.

    A batch is `Plan.batch_size` rows for each process, one stream for all of them: so the number of
    processes changes the size of a batch, and nothing else.

    Parameters
    ----------
    job : Job
    team : Team
    """

    def __init__(self, job: Job, team: Team) -> None:
        self.job, self.team = job, team
        self.workload = job.workload(job)
        self.checkpoints = Checkpoints(job.folder, job.fingerprint)
        found = self.checkpoints.latest(self.workload.length) if team.rank == 0 else None
        if team.rank == 0 and found is None:
            self.checkpoints.remove()
        state = team.share(found or _fresh(job, self.workload, job.plan.batch_size * team.size))
        weights = state.arrays["weights"]
        self.workload.load(weights)
        rate, ramp = job.settings.learning_rate, job.settings.ramp_steps
        self.optimizer = OPTIMIZERS[job.settings.optimizer](weights, state.arrays, rate, ramp, state.step)
        self.rejected, self.samples = state.rejected, state.samples
        self.position = state.position.dealt(1, job.plan.batch_size * team.size, self.workload)
        self.stream = self.workload.stream(self.position, 0, team.rank, team.size)
        self.max_updates = job.settings.max_steps or sys.maxsize
        self.rejected_in_a_row = 0
        self.log = Logbook(
            job.folder, None if found is None else found.step, state.elapsed_s, record=team.rank == 0
        )

    def run(self) -> Outcome | None:
        """Go through the batches that are left.

        Returns
        -------
        Outcome or None
            None where this process keeps no record.

        Raises
        ------
        TrainingError
            If the loss stays not finite, or a signal ended the training, whose usual effect comes first.
        """
        begin = self.log.clock()
        if self.optimizer.updates == 0:
            self._validate(0)
        total = min(self.stream.steps, self.max_updates)
        with deferred_signals() as interrupt, self.log.progress(total, self.batches):
            stopped = self._train(interrupt, begin)
        self.team.verify(self.optimizer.weights)
        if stopped and self.team.rank == 0:
            logger.warning("Interrupted after update %d: run again to go on.", self.optimizer.updates)
            interrupt.deliver()
            name = signal.Signals(interrupt.received or signal.SIGTERM).name
            raise TrainingError(
                "train", f"was stopped by {name} after update {self.optimizer.updates}",
                "run again: training goes on from there",
            )  # fmt: skip
        return self._outcome() if self.team.rank == 0 else None

    @property
    def batches(self) -> int:
        """Batches behind this training, since the rows were last dealt out."""
        return self.position.batches[0]

    def _train(self, interrupt: Interrupt, base: float) -> bool:
        """Train to the end, or until one of the team wants to stop; whether that was so."""
        read = self.log.clock()
        next_checkpoint = read + self.job.settings.checkpoint_s
        for epoch, batch in () if self._complete() else self.stream:
            joint, base = self._update(epoch, batch, base, read, interrupt)
            if self.stream.epochs_done(self.batches) > epoch or self._complete():
                self.team.verify(self.optimizer.weights)
                self._validate(epoch)
            if joint.stop or self.log.clock() >= next_checkpoint or self._complete():
                self._save()
                next_checkpoint = self.log.clock() + self.job.settings.checkpoint_s
            if self._complete():
                return False
            if joint.stop:
                return True
            read = self.log.clock()
        return False

    def _complete(self) -> bool:
        return self.batches >= self.stream.steps or self.optimizer.updates >= self.max_updates

    def _update(
        self, epoch: int, batch: Rows, base: float, read: float, interrupt: Interrupt
    ) -> tuple[Contribution, float]:
        """One step: gradient, exchange, update, record; what all gave, and when the exchange ended."""
        begin = self.log.clock()
        gradient, losses = self._gradient(batch)
        lap = Lap(read - base, begin - base, self.log.clock() - base)
        joint = self.team.combine(Contribution(gradient, losses, len(batch), bool(interrupt), (lap,)))
        exchanged = self.log.clock()
        rate = self.optimizer.rate
        if clip(joint.gradient, self.job.settings.clip_norm):
            self.optimizer.apply(joint.gradient)
            self.workload.load(self.optimizer.weights)
            self.rejected_in_a_row = 0
        else:
            self._refuse(joint.losses)
        self.position = self.position.at(self.batches + 1)
        self.samples += joint.rows
        self.log.laps(joint.laps, base, exchanged, self.optimizer.updates)
        self.log.phase("update", exchanged, self.optimizer.updates)
        worker = 0 if self.team.size == 1 else None
        self.log.update(joint, self.optimizer.updates, epoch, worker, self.samples, rate)
        return joint, exchanged

    def _gradient(self, batch: Rows) -> tuple[np.ndarray, Losses]:
        if len(batch) == 0:  # a last batch of fewer rows than there are processes
            return np.zeros(self.workload.length, np.float32), Losses.of(0.0, 0.0)
        return self.workload.gradient(batch)

    def _refuse(self, losses: Losses) -> None:
        self.rejected += 1
        self.rejected_in_a_row += 1
        logger.warning("A gradient was not finite (loss %g): not applied.", losses.total)
        if self.rejected_in_a_row >= PATIENCE:
            raise TrainingError(
                "train", f"the loss is not finite after {self.optimizer.updates} updates",
                "lower train.learning_rate or raise train.ramp_steps",
            )  # fmt: skip

    def _validate(self, epoch: int) -> None:
        if self.team.rank:
            return
        begin = self.log.clock()
        losses = self.workload.validate()
        if losses is not None:
            self.log.validation(losses, begin, self.optimizer.updates, epoch, self.samples)

    def _save(self) -> None:
        if self.team.rank:
            return
        begin = self.log.clock()
        # The tables first: a checkpoint's rows are then never missing.
        self.log.flush()
        arrays = {"weights": self.optimizer.weights, **self.optimizer.state}
        self.checkpoints.save(
            Checkpoint(
                self.optimizer.updates, self.samples, self.rejected, self.log.clock(),
                self.position, arrays,
            )
        )  # fmt: skip
        self.log.pause("checkpoint", begin, self.optimizer.updates)

    def _outcome(self) -> Outcome:
        self.log.flush()
        initial, last = self.log.history.validation_losses()
        return Outcome(
            self.optimizer.weights,
            self.optimizer.updates,
            self.samples,
            self.log.clock(),
            self.rejected,
            self.log.history.training_loss(self.stream.steps_per_epoch),
            last,
            self.position.rows_left(self.workload, self.job.settings.epochs),
            {
                "initial_validation_loss": initial and initial.as_dict(),
                "stall": self.log.history.stall(),
            },
        )


def _fresh(job: Job, workload: Workload, batch_size: int) -> Checkpoint:
    arrays = {"weights": workload.weights(), **new_state(job.settings.optimizer, workload.length)}
    return Checkpoint(0, 0, 0, 0.0, Position.start(1, batch_size), arrays)
