"""Downpour SGD: workers push gradients to parameter servers and wait for nobody (paper, §4).

One job is these processes:

- ``supervisor`` starts and watches the others, records, validates, writes checkpoints;
- ``server s`` owns its share of weights and accumulator in shared memory and alone writes them;
- ``worker i`` computes gradients on its share of the rows, on this machine or another;
- ``agent i.s`` stands beside server s, and forms with the other agents of worker i, and itself, a
  Horovod world through which gradients and weights travel.
"""

from __future__ import annotations

from dataclasses import asdict

from dca.train.job import Job, Outcome
from dca.train.processes.site import Site
from dca.train.processes.supervised import require_platform, supervised

__all__ = ["run"]


def run(job: Job) -> Outcome:
    """Train by Downpour SGD: parameter servers and workers, as many as the settings say.

    Everything runs in processes of its own, the workers on other machines where the settings say so. The
    call returns when training is complete; a re-run after any kind of end goes on from the last checkpoint.

    Raises
    ------
    DependencyError
        If Horovod or the launcher is not installed, or this is not Linux.
    ConfigError
        If launcher, hosts and interface do not fit together or to this machine.
    ToolError
        If Slurm does not say which nodes its job has.
    TrainingError
        If a server died, every worker was lost, or it was told to stop.
    """
    require_platform(job.settings.mode)
    return supervised(job, "dca.train.downpour.supervisor", site=asdict(Site.of(job.settings)))
