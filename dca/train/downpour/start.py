"""What a training begins with: fresh weights or those of a checkpoint, in shared memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from dca.model.backend import set_threads, tf
from dca.train.checkpoint import Checkpoint, Checkpoints
from dca.train.downpour.state import ServerState, WorkerState
from dca.train.job import Job
from dca.train.optimizers import OPTIMIZERS, new_state
from dca.train.position import Position
from dca.train.processes.shared import SharedVector
from dca.train.workload import Stream, Workload

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beginning:
    """State at the start of a session.

    Attributes
    ----------
    workload : Workload
        For validation.
    vectors : tuple of str
        ``weights``, and the names of the optimiser's vectors.
    vector : SharedVector
        These one after the other, P long each; the servers' from now on.
    snapshot : SharedVector
        As long; where the servers put copies of all.
    state : ServerState
    positions : list of Position
        Place in the data, and how the rows are dealt to the workers: at first, and after each time that
        they were dealt out anew.
    streams : list of Stream
        Of every worker, to know how many rows and batches it has; never read.
    warmup_steps : int
        Batches of worker 0 at which its warm-up ends.
    checkpoints : Checkpoints
    resumed : int or None
        Updates of the checkpoint; None for a fresh start.
    elapsed_s : float
        Seconds of training in earlier sessions.
    """

    workload: Workload
    vectors: tuple[str, ...]
    vector: SharedVector
    snapshot: SharedVector
    state: ServerState
    positions: list[Position]
    streams: list[Stream]
    warmup_steps: int
    checkpoints: Checkpoints
    resumed: int | None
    elapsed_s: float

    def place(self, state: ServerState) -> Position:
        """Tell the place in the data at which the server is."""
        return self.positions[state.deals].at(*(own.position for own in state.workers))

    def deal(self, lost: tuple[int, ...], stopped: tuple[int, ...]) -> Position:
        """Deal what is left to all workers but those lost.

        What those lost have left that were stopped is dealt to nobody.
        """
        position = self.place(self.state)
        position = position.dealt(len(position.batches), position.batch_size, self.workload, lost, stopped)
        self.positions.append(position)
        self.streams[:] = [self.workload.stream(position, i) for i in range(len(position.batches))]
        self.state.deal()
        return position

    @property
    def length(self) -> int:
        """P, the number of parameters."""
        return self.workload.length


def begin(job: Job) -> Beginning:
    """Build the model and find the newest checkpoint that fits, or start afresh."""
    tf.config.set_visible_devices([], "GPU")  # They are the workers'.
    set_threads(job.threads)
    workload = job.workload(job)
    length = workload.length
    checkpoints = Checkpoints(job.folder, job.fingerprint)
    found = checkpoints.latest(length)
    workers, warmup = job.settings.workers, job.plan.warmup_steps
    if found is None:
        checkpoints.remove()
        arrays = {"weights": workload.weights(), **new_state(job.settings.optimizer, length)}
        position = Position.start(workers, job.plan.batch_size)
        state = ServerState(workers=[WorkerState() for _ in range(workers)])
    else:
        logger.info("Training goes on from update %d.", found.step)
        arrays = {name: found.arrays[name] for name in ("weights", *OPTIMIZERS[job.settings.optimizer].STATE)}
        position = found.position.dealt(workers, job.plan.batch_size, workload)
        state = _state(found, position)
        if position is not found.position:
            # Batches are counted anew, but what was trained until now was a warm-up too.
            warmup = max(0, warmup - found.step * job.settings.n_push)
    streams = [workload.stream(position, worker) for worker in range(workers)]
    for own, stream in zip(state.workers, streams, strict=True):
        # Not as the checkpoint has it: `epochs` may have grown since.
        own.done = own.position >= stream.steps
    vector, snapshot = (SharedVector.create(name, length * len(arrays)) for name in ("state", "snapshot"))
    for target, array in zip(np.split(vector.array, len(arrays)), arrays.values(), strict=True):
        target[:] = array
    return Beginning(
        workload, tuple(arrays), vector, snapshot, state, [position], streams, warmup, checkpoints,
        None if found is None else found.step,
        0.0 if found is None else found.elapsed_s,
    )  # fmt: skip


def _state(found: Checkpoint, position: Position) -> ServerState:
    """Counters of the server; those of single workers only where these are the same as before."""
    kept = found.details.get("downpour")
    if kept and position is found.position:
        return ServerState.from_json({**kept, "deals": 0})
    workers = [WorkerState(position=batches) for batches in position.batches]
    return ServerState(found.step, {}, workers, found.samples, found.rejected)
