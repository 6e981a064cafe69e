"""One training per folder: a second one has the first stop, and goes on from its checkpoint."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dca.errors import OutputError, TrainingError
from dca.train.copies import refuse_copies

logger = logging.getLogger(__name__)

WAIT_S = 120  # for the step under way and its checkpoint; and for a file server to notice a dead machine
TICK_S = 0.2

_held: dict[Path, int] = {}


@contextmanager
def sole_training(folder: str | Path) -> Iterator[None]:
    """Keep all other trainings out of a folder inside the block.

    A workflow manager that was killed, or stopped in a hurry, leaves its training behind. If it is on this
    machine it gets a SIGTERM, upon which it writes a checkpoint and ends. The lock is the kernel's, so none
    outlives its process, and that of a child with its `descriptors`.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    TrainingError
        If the other training does not end, or a launcher started this one several times over.
    """
    refuse_copies(folder)
    path = Path(folder) / ".training"
    file = _acquire(path)
    _held[path] = file
    try:
        yield
    finally:
        del _held[path]
        # Before the lock is given back: who gets it next sees that this file is not the one there is.
        with suppress(OSError):
            path.unlink()
        os.close(file)


def descriptors(folder: str | Path) -> list[int]:
    """Descriptors of the lock that this process has on a folder; a child that inherits them has it too."""
    return [file for path, file in _held.items() if path.parent == Path(folder)]


def _acquire(path: Path) -> int:
    deadline, asked = time.monotonic() + WAIT_S, False
    while True:
        file = _open(path)
        if _lock(file, path):
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
            return file
        holder = os.pread(file, 1000, 0).decode().split()
        os.close(file)
        if not asked:
            asked = _ask_to_stop(holder, path)
        if time.monotonic() > deadline:
            who = f"process {holder[0]} on {holder[1]}" if len(holder) == 2 else "another process"
            raise TrainingError(
                path.parent, f"is being trained into by {who}", "end that, or wait for it, and run again"
            )
        time.sleep(TICK_S)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OutputError(
            path.parent, f"cannot be written ({error.strerror})", "choose a folder you may write to"
        ) from error


def _lock(file: int, path: Path) -> bool:
    """Lock an open file; whether that worked, and it still is the file at `path`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # Some file systems of clusters are mounted without locks.
        logger.warning(
            "%s cannot be locked (%s): see to it that there is one training.", path, error.strerror
        )
        return True
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False


def _ask_to_stop(holder: list[str], path: Path) -> bool:
    """Send the holder a SIGTERM if it is of this machine; whether there is no more to do."""
    if len(holder) < 2:
        return False  # It has not signed yet.
    number, host = int(holder[0]), holder[1]
    if host != socket.gethostname():
        logger.warning("A training (process %d on %s) is at work in %s: waiting.", number, host, path.parent)
        return True
    if not _has_open(number, path):
        return False  # It was of one that died; the next has not signed yet.
    logger.warning("A training (process %d) is at work in %s: it is told to stop.", number, path.parent)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(number, signal.SIGTERM)
    return True


def _has_open(process: int, path: Path) -> bool:
    """Whether a process has the file open: a number left by a dead one may be another's by now."""
    try:
        return any(entry.samefile(path) for entry in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False
