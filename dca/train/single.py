"""Mode `single`: one process, every gradient applied at once. The reference for all other modes."""

from __future__ import annotations

from dca.model.backend import set_threads
from dca.train.allocator import keep_memory
from dca.train.job import Job, Outcome
from dca.train.loop import Loop
from dca.train.team import Alone


def run(job: Job) -> Outcome:
    """Train in this process.

    The result is the same to the bit for the same data, settings, seed, machine and number of
    threads, also when the training was interrupted and resumed.

    Raises
    ------
    TrainingError
        If the loss stays not finite.
    """
    keep_memory()
    set_threads(job.threads)
    outcome = Loop(job, Alone()).run()
    assert outcome is not None
    return outcome
