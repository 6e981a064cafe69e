"""What every process of a training does first: say who it is, and arrange to end with its parent."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from dca import errors
from dca.errors import DCAError, TrainingError
from dca.train.processes.channel import ChannelClosedError
from dca.train.processes.world import PeerLostError

logger = logging.getLogger(__name__)

ASSIGNMENT_VARIABLE = "DCA_ASSIGNMENT"  # environment of the supervisor: its `Assignment` as JSON
_MARK = "dca-error: "
_PACKAGE = b"\0dca.train.processes\0"  # what precedes the arguments
_PR_SET_PDEATHSIG = 1
_ARG_START, _ARG_END = 47, 48  # fields of /proc/self/stat, from 0

FAILED, REFUSED, BEREFT = 1, 3, 4
"""Exit status: after an unforeseen exception, after an error for the user, after the loss of a peer."""


@dataclass(frozen=True)
class Assignment:
    """What a process is told by the one that starts it.

    Attributes
    ----------
    fds : dict
        Name to inherited descriptor.
    task : dict
        Whatever else its role needs, as JSON.
    """

    fds: dict[str, int] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)

    def load(self, name: str) -> Any:
        """Unpickle the content of a descriptor that `pickled` made."""
        return pickle.loads(Path(f"/proc/self/fd/{self.fds[name]}").read_bytes())


def memory_file(name: str, content: bytes) -> int:
    """Put something into a memfd, which any number of children may read; its descriptor."""
    fd = os.memfd_create(f"dca-{name}")
    with os.fdopen(os.dup(fd), "wb") as target:
        target.write(content)
    return fd


def pickled(name: str, content: Any) -> int:
    """Put an object into a memfd, which any number of children may `load`; its descriptor."""
    return memory_file(name, pickle.dumps(content))


def play(
    role: str, parent: int | None, body: Callable[[], int | None], on_parent_end: int = signal.SIGKILL
) -> NoReturn:
    """Run `body` as a process of its own that ends with its parent, and end it.

    Parameters
    ----------
    role : str
        Shows in the command line, as ``worker 2``.
    parent : int or None
        Process id of the one that started this one; None = not to end with it.
    body : callable
        May give back an exit status.
    on_parent_end : int
        Signal that the kernel sends to this process when the parent ends, however it ends.
    """
    status = FAILED
    try:
        _set_title(role)
        if parent is not None:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, on_parent_end)
        if parent in (None, os.getppid()):  # else it died before the call above
            status = guard(body)
    except Exception:
        logger.exception("%s failed", role)
    sys.stdout.flush()
    sys.stderr.flush()
    # TensorFlow's and Horovod's threads make an ordinary exit slow, and after a lost peer endless.
    os._exit(status)


def _print_error(error: DCAError) -> None:
    content = [type(error).__name__, error.subject, error.problem, error.remedy]
    sys.stderr.write(f"{_MARK}{json.dumps(content)}\n")


def guard(body: Callable[[], int | None], report: Callable[[DCAError], None] = _print_error) -> int:
    """Run `body` and tell its exit status; an error for the user is reported to the supervisor."""
    try:
        return body() or 0
    except DCAError as error:
        report(error)
        return REFUSED
    except (PeerLostError, ChannelClosedError):
        return BEREFT  # The supervisor knows why, or is told by the one that was lost.


def for_user(error: Exception) -> DCAError:
    """What to tell of an exception that ends a supervisor, such as one of a user's `build` or `validate`.

    Returns
    -------
    DCAError
        Itself, if it is one; else one that quotes its last line, and the traceback goes to the log.
    """
    if isinstance(error, DCAError):
        return error
    logger.error("The supervisor failed", exc_info=error)
    line = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    return TrainingError("train", f"the supervisor failed: {line}", "see the traceback in the log")


def read_error(line: str) -> DCAError | None:
    """Get the error for the user from a line that a process wrote, if it is one."""
    if not line.startswith(_MARK):
        return None
    kind, *content = json.loads(line.removeprefix(_MARK))
    return getattr(errors, kind)(*content)


def _set_title(role: str) -> None:
    """Put the role in place of the arguments of the command line, as long as there is room.

    A forked process has the command line of its parent; Linux shows whatever is at that address.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()
    start, end = int(fields[_ARG_START - 2]), int(fields[_ARG_END - 2])
    before, package, _ = Path("/proc/self/cmdline").read_bytes().partition(_PACKAGE)
    room = end - start - len(before + package)
    title = role.replace(" ", "\0").encode()[: room - 1]
    ctypes.memmove(end - room, title.ljust(room, b"\0"), room)


def skip_optional_imports() -> None:
    """Spare this process packages that Keras imports for features no process here uses.

    Scikit-learn and Matplotlib are a third of the import time and 80 MB of each process.
    """
    for name in ("sklearn", "matplotlib"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
