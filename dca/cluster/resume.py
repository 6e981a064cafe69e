"""Going on with a study whose Snakemake is gone: nothing of it is left running when it starts anew."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import psutil

from dca.cluster import slurm
from dca.errors import OutputError, ToolError

logger = logging.getLogger(__name__)

SNAKEMAKE = (sys.executable, "-m", "snakemake")


def resume(folder: str | Path, arguments: Sequence[str], wait: bool = False) -> NoReturn:
    """Settle the leftover jobs of a study, unlock its folder, and become ``snakemake`` with `arguments`.

    Jobs outlive the Snakemake that submitted them. A new one does not know of them and would submit their
    like a second time.

    Parameters
    ----------
    folder : path
        The study's: where Snakemake was started.
    arguments : sequence of str
        Those that Snakemake had.
    wait : bool
        Let leftover jobs finish, instead of cancelling them. What they finish is not done again.

    Raises
    ------
    OutputError
        If a Snakemake is at work in the folder on this machine.
    DependencyError, ToolError
        If Slurm is not there, does not answer, or has jobs that do not end; if Snakemake cannot go on with
        these arguments: then nothing was cancelled.
    """
    refuse_second(folder)
    # Before anything is cancelled: with a wrong argument nothing would come after it.
    _snakemake(folder, ["--dry-run", "--quiet", "all", "--rerun-incomplete", *arguments])
    settle(folder, wait)
    # Only the folder's lock is taken away: the jobs it stood for are gone.
    _snakemake(folder, ["--unlock", *arguments])
    os.chdir(folder)
    os.execv(SNAKEMAKE[0], [*SNAKEMAKE, "--rerun-incomplete", *arguments])


def settle(folder: str | Path, wait: bool) -> list[slurm.SlurmJob]:
    """Cancel a study's jobs or wait for them; the jobs that there were."""
    jobs = slurm.study_jobs(folder)
    for job in jobs:
        verb = "Waiting for" if wait else "Cancelling"
        logger.info("%s job %s (%s, %s).", verb, job.number, job.state.lower(), job.what)
    if not wait:
        slurm.cancel(jobs)
    slurm.wait_until_gone(folder, told_to_end=not wait)
    return jobs


def refuse_second(folder: str | Path) -> None:
    """Refuse to go on beside a Snakemake that is alive on this machine; of others nobody can tell.

    Raises
    ------
    OutputError
        If there is one.
    """
    home = Path(folder).resolve()
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words, where = process.info["cmdline"] or [], process.info["cwd"]
        if where and Path(where) == home and _is_snakemake(words) and process.pid != os.getpid():
            raise OutputError(
                home,
                f"a snakemake is at work here (process {process.pid})",
                "leave it alone, or end it first",
            )


def _snakemake(folder: str | Path, arguments: Sequence[str]) -> None:
    """Run a Snakemake that only looks, or unlocks."""
    done = subprocess.run(
        [*SNAKEMAKE, *arguments], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ToolError(
            f"snakemake {arguments[0]}", "".join(last).strip() or "failed", "mend that and run again"
        )


def _is_snakemake(words: Sequence[str]) -> bool:
    """Whether a command line is that of a Snakemake that a user started: not that of one of its jobs."""
    name = Path(words[0]).name if words else ""
    called = _program(words[1:]) if name.startswith("python") else name
    return called == "snakemake" and "--target-jobs" not in words


def _program(words: Sequence[str]) -> str:
    """The script or module that Python is told to run, by its arguments; empty if it is neither."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            return Path(word).name
        if module := re.match(r"-[bBdEhiIOPqsSuvVx?]*m(.*)", word):
            return module[1] or next(rest, "")
        if re.match(r"-[bBdEhiIOPqsSuvVx?]*c", word):
            break
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            next(rest, None)
    return ""
