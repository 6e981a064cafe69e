"""Slurm's queue, as far as one study is concerned."""

from __future__ import annotations

import getpass
import logging
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dca.errors import DependencyError, ToolError

logger = logging.getLogger(__name__)

TICK_S = 2.0
ENDING_S = 900  # KillWait (30 s), UnkillableStepTimeout (60 s), an epilog, on a site that has longer ones
TIMEOUT_S = 120  # of one call: a busy slurmctld takes its time
SEPARATOR = "|"
# Snakemake names all jobs of one call by its UUID, after a prefix that the user may choose.
RUN_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


@dataclass(frozen=True)
class SlurmJob:
    """A job in the queue.

    Attributes
    ----------
    number : str
        Slurm's id.
    state : str
        ``RUNNING``, ``PENDING``, ``COMPLETING`` …
    what : str
        The rule or group of rules, and its wildcards, as Snakemake puts them into the comment.
    """

    number: str
    state: str
    what: str


def study_jobs(folder: str | Path) -> list[SlurmJob]:
    """List the user's jobs in the queue that Snakemake submitted from a folder.

    Raises
    ------
    DependencyError
        If there is no Slurm here.
    ToolError
        If Slurm does not answer.
    """
    # The comment comes last: it may have the separator in it.
    form = SEPARATOR.join(("%i", "%T", "%j", "%Z", "%k"))
    lines = _run(["squeue", "--noheader", f"--user={getpass.getuser()}", f"--format={form}"]).splitlines()
    home, found = Path(folder).resolve(), []
    for line in lines:
        number, state, name, where, comment = line.split(SEPARATOR, 4)
        if RUN_NAME.search(name) and Path(where).resolve() == home:
            found.append(SlurmJob(number, state, comment))
    return found


def cancel(jobs: Sequence[SlurmJob]) -> None:
    """Tell jobs to end: they get a SIGTERM, and the site's KillWait for a checkpoint."""
    if jobs:
        _run(["scancel", *(job.number for job in jobs)])


def wait_until_gone(folder: str | Path, told_to_end: bool, tick_s: float = TICK_S) -> None:
    """Wait until no job of the study is in the queue, those that are just ending included.

    A job that runs may take as long as it likes; one that is ending, or was told to end, may not: a node
    that hangs keeps it in the queue for ever.

    Parameters
    ----------
    folder : path
    told_to_end : bool
        Whether all of them were cancelled.
    tick_s : float
        Seconds between looks.

    Raises
    ------
    ToolError
        If a job has not ended `ENDING_S` after it began to, or was told to.
    """
    told, since = 0, {}  # type: int, dict[str, float]
    while jobs := study_jobs(folder):
        if len(jobs) != told:
            told = len(jobs)
            logger.info("Waiting for %d job(s): %s", told, ", ".join(job.number for job in jobs[:10]))
        now = time.monotonic()
        since = {
            job.number: since.get(job.number, now) for job in jobs if told_to_end or job.state == "COMPLETING"
        }
        if since and now - min(since.values()) > ENDING_S:
            stuck = ", ".join(f"{job.number} ({job.state})" for job in jobs if job.number in since)
            raise ToolError(
                f"Slurm's job {stuck}",
                f"has not ended in {ENDING_S} s",
                "see its node with `scontrol show job`; when the job is gone, run this again",
            )
        time.sleep(tick_s)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except FileNotFoundError as error:
        raise DependencyError(
            command[0], "is not installed", "run this on a login node of the cluster"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            command[0], f"did not answer for {TIMEOUT_S} s", "try again when Slurm does"
        ) from error
    if done.returncode:
        raise ToolError(
            command[0], done.stderr.strip() or f"status {done.returncode}", "see whether Slurm is up"
        )
    return done.stdout
