"""Going on with a study whose Snakemake is gone: nothing of it is left running when it starts anew."""

from __future__ import annotations

import logging
import os
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
        If Slurm is not there, or does not answer; if Snakemake cannot unlock the folder.
    """
    refuse_second(folder)
    settle(folder, wait)
    # Only the folder's lock is taken away: the jobs it stood for are gone.
    done = subprocess.run(
        [*SNAKEMAKE, "--unlock", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ToolError("snakemake --unlock", "".join(last) or "failed", "mend that and run again")
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
    slurm.wait_until_gone(folder)
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


def _is_snakemake(words: Sequence[str]) -> bool:
    """Whether a command line is that of a Snakemake that a user started: not that of one of its jobs."""
    program = [Path(word).name for word in words[:3]]
    python = "".join(program[:1]).startswith("python")
    called = program[:1] == ["snakemake"] or (
        python and (program[1:2] == ["snakemake"] or list(words[1:3]) == ["-m", "snakemake"])
    )
    return called and "--target-jobs" not in words
