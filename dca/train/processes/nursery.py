"""Where processes are born: forks of one that has imported TensorFlow and Horovod, and done nothing else.

Importing takes seconds of a core and hundreds of MB, which forks share. Only a process that has never
run an operation may be forked, as TensorFlow's and Horovod's threads do not survive it; so this one
never does.
"""

from __future__ import annotations

import importlib
import logging
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dca.errors import DCAError, TrainingError
from dca.train.processes.channel import Channel, ChannelClosedError
from dca.train.processes.process import Assignment, play, read_error

logger = logging.getLogger(__name__)

TICK_S = 0.1
START_S = 60  # for a process to be forked
END_S = 10  # for a killed process to be gone
LEAVE_S = 2  # for one that is dismissed, to end by itself
STOP_S = 7  # ... and after SIGTERM; horovodrun takes 5 to kill what does not listen


class Child:
    """A process that the supervisor started and listens to.

    Attributes
    ----------
    role : str
    pid : int
    status : int or None
        Exit status, negative for a signal; None while it runs.
    error : DCAError or None
        The error for the user that it ended with.
    """

    def __init__(self, role: str, pid: int, output: int) -> None:
        self.role, self.pid, self._output = role, pid, output
        self.status: int | None = None
        self.error: DCAError | None = None
        self._tail: deque[str] = deque(maxlen=1)
        self._rest = b""
        os.set_blocking(output, False)

    def listen(self) -> None:
        """Take in the lines it has written since."""
        try:
            while chunk := os.read(self._output, 65_536):
                self._rest += chunk
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        for line in filter(None, (line.decode(errors="replace").strip() for line in lines)):
            if error := read_error(line):
                self.error = error
            else:
                logger.info("%s: %s", self.role, line)
                if any(map(str.isalnum, line)):
                    self._tail.append(line)

    @property
    def reason(self) -> str:
        """How it ended, in words, with the last line it wrote."""
        status = self.status or 0
        cause = signal.Signals(-status).name if status < 0 else f"status {status}"
        return f"{self.role} ended with {cause}{self.last_words}"

    @property
    def last_words(self) -> str:
        """The last line it wrote, in brackets after a blank; empty if there is none."""
        return f" ({self._tail[0]})" if self._tail else ""

    def close(self) -> None:
        """Free its descriptor, when it has ended."""
        self.listen()
        os.close(self._output)


class Nursery:
    """The supervisor's handle on the process that forks all others.

    Open it before this process has any thread, and before TensorFlow's first operation.
    """

    def __init__(self) -> None:
        self._channel, there = Channel.pair()
        self._children: dict[int, Child] = {}
        self._dismissed: list[Child] = []
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._channel.close()
            play("nursery", parent, lambda: _Birthplace(there).run())
        there.close()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ)

    def start(
        self,
        role: str,
        module: str,
        fds: Mapping[str, int],
        task: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a process.

        Parameters
        ----------
        role : str
            ``server 0``, ``worker 2`` or ``agent 2.0``.
        module : str
            The one that has its `main`.
        fds, task
            Of its `Assignment`.
        environment : mapping, optional
            Variables to set.
        """
        output, its_output = os.pipe()
        message = {
            "kind": "start", "role": role, "module": module, "fds": list(fds), "task": dict(task),
            "environment": dict(environment or {}),
        }  # fmt: skip
        self._send(message, [its_output, *fds.values()])
        os.close(its_output)
        started = None
        while started is None:
            if not self._selector.select(START_S):
                raise _lost()
            started = self._receive()
        child = self._children[started] = Child(role, started, output)
        return child

    def attend(self) -> None:
        """Take in what became of the children, and what they wrote."""
        while self._selector.select(0):
            self._receive()
        for child in self._children.values():
            child.listen()
        for child in [child for child in self._dismissed if child.status is not None]:
            self._dismissed.remove(child)
            self._forget(child)

    def end(self, children: Sequence[Child]) -> None:
        """Kill what is left of some processes and wait until they are gone."""
        for child in children:
            if child.status is None:
                self._send({"kind": "kill", "pid": child.pid})
        deadline = time.monotonic() + END_S
        while any(child.status is None for child in children) and time.monotonic() < deadline:
            if self._selector.select(TICK_S):
                self._receive()
        for child in children:
            self._forget(child)

    def dismiss(self, child: Child) -> None:
        """Have a process that leads a group end with it, in good order if it can; nobody waits for that."""
        if child.status is None:
            self._send({"kind": "dismiss", "pid": child.pid})
        self._dismissed.append(child)

    def _forget(self, child: Child) -> None:
        del self._children[child.pid]
        child.close()

    def close(self) -> None:
        """End all processes."""
        with suppress(TrainingError):  # If it is lost, so are they.
            self.end([child for child in self._children.values() if child not in self._dismissed])
            deadline = time.monotonic() + LEAVE_S + STOP_S + END_S
            while self._dismissed and time.monotonic() < deadline:
                self.attend()
                time.sleep(0.02)
        self._channel.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        try:
            self._channel.send(message, fds)
        except ChannelClosedError:
            raise _lost() from None

    def _receive(self) -> int | None:
        """Take one message; the process id if it tells of a start."""
        try:
            message, _ = self._channel.receive()
        except ChannelClosedError:
            raise _lost() from None
        if message["kind"] == "started":
            return message["pid"]
        if message["pid"] in self._children:
            self._children[message["pid"]].status = message["status"]
        return None


def _lost() -> TrainingError:
    return TrainingError(
        "train", "the process that starts the workers was lost", "run again: it goes on from the checkpoint"
    )


class _Birthplace:
    """The other side, in the process that forks."""

    def __init__(self, supervisor: Channel) -> None:
        self._supervisor = supervisor
        self._alive: set[int] = set()
        # Leader of a group that is to end: when it gets which signals, if it does not.
        self._dismissed: dict[int, deque[tuple[float, int]]] = {}

    def run(self) -> None:
        """Serve until the supervisor is gone."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # A terminal's Ctrl-C and a scheduler's SIGTERM go to all processes of a job; the
            # supervisor ends these when its checkpoint is safe. Children inherit this.
            signal.signal(number, signal.SIG_IGN)
        with selectors.DefaultSelector() as selector:
            selector.register(self._supervisor, selectors.EVENT_READ)
            while True:
                if selector.select(TICK_S):
                    message, fds = self._supervisor.receive()
                    if message["kind"] == "start":
                        del message["kind"]
                        self._fork(fds=fds, names=message.pop("fds"), **message)
                    elif message["pid"] in self._alive:
                        if message["kind"] == "kill":
                            os.kill(message["pid"], signal.SIGKILL)
                        else:
                            now = time.monotonic()
                            due = [(now + LEAVE_S, signal.SIGTERM), (now + LEAVE_S + STOP_S, signal.SIGKILL)]
                            self._dismissed[message["pid"]] = deque(due)
                self._reap()
                self._lose_patience()

    def _fork(
        self, fds: list[int], names: list[str], role: str, task: dict[str, Any],
        environment: dict[str, str], module: str,
    ) -> None:  # fmt: skip
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._supervisor.close()
            output, *rest = fds
            for standard in (1, 2):
                os.dup2(output, standard)
            os.close(output)
            os.environ.update(environment)
            assignment = Assignment(dict(zip(names, rest, strict=True)), task)
            play(role, parent, lambda: importlib.import_module(module).main(assignment))
        for fd in fds:
            os.close(fd)
        self._alive.add(pid)
        self._supervisor.send({"kind": "started", "pid": pid})

    def _lose_patience(self) -> None:
        """Signal the groups that are to end and do not: first so that they can do it in good order.

        A launcher that is only killed leaves files, and processes elsewhere.
        """
        for pid, due in self._dismissed.items():
            if due and time.monotonic() > due[0][0]:
                with suppress(ProcessLookupError):  # It does not lead a group yet: try again.
                    os.killpg(pid, due[0][1])
                    due.popleft()

    def _reap(self) -> None:
        while self._alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._alive.discard(pid)
            self._dismissed.pop(pid, None)
            exit_code = os.waitstatus_to_exitcode(status)
            self._supervisor.send({"kind": "ended", "pid": pid, "status": exit_code})
