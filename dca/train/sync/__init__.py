"""Synchronous training: workers go in step, and the sum of their gradients makes each update.

One job is a ``supervisor`` that starts and watches, a ``nursery`` that forks, and ``worker i``; all
workers are one Horovod world. Worker 0 also keeps the record, validates and writes checkpoints.
"""

from __future__ import annotations

from dca.errors import ConfigError
from dca.train.job import Job, Outcome
from dca.train.processes.supervised import require_platform, supervised

__all__ = ["run"]


def run(job: Job) -> Outcome:
    """Train by `job.settings.workers` processes in step with each other.

    Equals `single` with batches of so many times the size, to float32 rounding.

    Raises
    ------
    ConfigError
        If another launcher than `local` is asked for.
    DependencyError
        If Horovod is not installed, or this is not Linux.
    TrainingError
        If workers were lost too often, or it was told to stop.
    """
    if job.settings.launcher != "local":
        raise ConfigError(
            "train.launcher", f"is {job.settings.launcher!r}, and mode `sync` starts its workers here",
            "set train.launcher: local, or train.mode: downpour",
        )  # fmt: skip
    require_platform(job.settings.mode)
    return supervised(job, "dca.train.sync.supervisor")
