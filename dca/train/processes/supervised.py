"""The side of the job that asks for a training: starts the supervisor and waits for what it made."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dca.errors import DependencyError, TrainingError
from dca.train.job import Job, Outcome
from dca.train.lock import descriptors
from dca.train.processes.process import ASSIGNMENT_VARIABLE, pickled
from dca.train.processes.shared import SharedVector, Vector
from dca.train.processes.waited import Waited
from dca.train.processes.world import require_horovod

logger = logging.getLogger(__name__)

_FORWARDED = (signal.SIGINT, signal.SIGTERM)

SILENCE_S = 600  # without a sign of life of the supervisor; it reads models and imports at first
END_S = 10  # for it to be gone, once it was killed
TICK_S = 0.5


def require_platform(mode: str) -> None:
    """Check that this is Linux with Horovod.

    Raises
    ------
    DependencyError
        If it is not.
    """
    if not sys.platform.startswith("linux"):
        raise DependencyError(f"train.mode `{mode}`", "needs Linux", "set train.mode: single")
    require_horovod()


def supervised(job: Job, supervisor: str, **task: Any) -> Outcome:
    """Train in processes under a supervisor, which ends before this returns.

    Parameters
    ----------
    job : Job
    supervisor : str
        Module whose `main` supervises, and leaves an outcome or an error in the descriptor ``result``.
    **task
        What else it is told, as JSON.
    """
    pulse = SharedVector.create("pulse", 1)
    fds = {"job": pickled("job", job), "result": os.memfd_create("dca-result"), "pulse": pulse.fd}
    try:
        task |= {"log_level": logging.getLogger().getEffectiveLevel()}
        # With the lock of the folder: the supervisor outlives this process by a last checkpoint.
        process = _start(supervisor, fds, task, descriptors(job.folder))
        try:
            with _forwarding(process) as received:
                status = _outlast(process, pulse.array, job)
            return _result(fds["result"], status, job)
        except TrainingError as error:
            if not received:
                raise
            logger.warning("%s", error)
            signal.raise_signal(received[0])  # Its usual effect, now that all is saved.
            raise
    finally:
        for fd in fds.values():
            os.close(fd)


def _start(
    module: str, fds: dict[str, int], task: dict[str, Any], lock: list[int]
) -> subprocess.Popen[bytes]:
    assignment = {"parent": os.getpid(), "module": module, "fds": fds, "task": task}
    return subprocess.Popen(
        [sys.executable, "-m", "dca.train.processes", "supervisor"],
        stdin=subprocess.DEVNULL,
        stderr=_stderr(),
        pass_fds=(*fds.values(), *lock),
        # One thread for NumPy: the supervisor is forked, and has to be without threads then.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", ASSIGNMENT_VARIABLE: json.dumps(assignment)},
    )


def _outlast(process: subprocess.Popen[bytes], beats: Vector, job: Job) -> int:
    """Wait for the end of the supervisor; its exit status.

    Raises
    ------
    TrainingError
        If it stands still. It is killed then, and all that it started ends with it.
    """
    seen, waited = float(beats[0]), Waited()
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(TICK_S)
        if beats[0] != seen:
            seen = float(beats[0])
            waited.restart()
        elif waited.look() > SILENCE_S:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            raise TrainingError(
                job.folder, f"the supervisor of the training has stood still for {SILENCE_S} s",
                "run again: training goes on from the last checkpoint",
            )  # fmt: skip


def _result(fd: int, status: int, job: Job) -> Outcome:
    content = b""
    while part := os.pread(fd, 1 << 24, len(content)):
        content += part
    if not content:
        cause = signal.Signals(-status).name if status < 0 else f"status {status}"
        raise TrainingError(
            job.folder, f"the supervisor of the training ended ({cause})",
            "run again: training goes on from the last checkpoint",
        )  # fmt: skip
    result = pickle.loads(content)
    if isinstance(result, Exception):
        raise result
    return result


@contextmanager
def _forwarding(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass signals that ask for an end on to the supervisor, which leaves a checkpoint first.

    Yields the list that those received are put into.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # Python allows handlers in the main thread only.
        return

    def forward(number: int, _: Any) -> None:
        received.append(number)
        process.send_signal(number)

    earlier = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield received
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _stderr() -> int | None:
    """Where this process writes its messages: a job's log may have replaced the standard stream."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None
