"""One of the workers that go in step."""

from __future__ import annotations

import os
import pickle

from dca.model.backend import claim_gpu, set_threads
from dca.train.allocator import keep_memory
from dca.train.job import Job
from dca.train.loop import Loop
from dca.train.processes.process import Assignment
from dca.train.processes.shared import SharedVector
from dca.train.processes.world import Collective
from dca.train.sync.team import HorovodTeam


def main(assignment: Assignment) -> None:
    """Train to the end; worker 0 leaves the outcome in the descriptor ``result``."""
    task = assignment.task
    job: Job = assignment.load("job")
    keep_memory()
    set_threads(task["threads"])
    claim_gpu(task["worker"])
    size = job.settings.workers
    progress = SharedVector(assignment.fds["progress"], size).array
    team = HorovodTeam(Collective(size, task["seal"]), progress)
    outcome = Loop(job, team).run()
    if outcome is not None:
        with os.fdopen(assignment.fds["result"], "wb") as target:
            pickle.dump(outcome, target)
    team.leave()  # Not before: who leaves ends the world for all.
