"""A launched worker: reports to the supervisor's desk, then does as one that was forked."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dca.errors import DCAError
from dca.train.processes import network
from dca.train.processes.channel import ChannelClosedError
from dca.train.processes.line import Line, proof
from dca.train.processes.process import BEREFT, REFUSED, Assignment, guard, memory_file, play

logger = logging.getLogger(__name__)

REACH_S = 60  # for the desk to be found: a shared file system may show its file late
RETRY_S = 0.5
ANSWER_S = 60  # for the desk to answer


def main(arguments: Sequence[str]) -> None:
    """Be a worker.

    Parameters
    ----------
    arguments : sequence of str
        Number of the worker, its ticket, and the desk's file.
    """
    worker, ticket, file = arguments
    # Its life hangs on the desk, not on its parent: that is a part of the launcher, which may come and go.
    play(f"worker {worker}", None, lambda: _serve(Path(file), ticket))


def _serve(file: Path, ticket: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        # A scheduler sends it to all processes of a job; the supervisor ends this one when all is saved.
        signal.signal(number, signal.SIG_IGN)
    line = _reach(file, ticket)
    told = line.hear()
    if "refused" in told:
        sys.stderr.write(f"refused by the supervisor: {told['refused']}\n")
        return REFUSED
    fds = {name: memory_file(name, line.receive()) for name in told["contents"]}
    logging.getLogger().setLevel(told["log_level"])
    os.environ.update(told["environment"])
    # The same network has another name here, perhaps.
    os.environ["HOROVOD_GLOO_IFACE"] = network.of_address(line.own_address).name
    line.set_timeout(None)
    threading.Thread(target=_end_with, args=(line,), daemon=True).start()

    def report(error: DCAError) -> None:
        content = [error.subject, error.problem, error.remedy]
        line.tell(kind="error", type=type(error).__name__, content=content)

    status = guard(lambda: _work(told["module"], Assignment(fds, told["task"])), report)
    line.tell(kind="end", status=status)
    return status


def _work(module: str, assignment: Assignment) -> None:
    importlib.import_module(module).main(assignment)


def _reach(file: Path, ticket: str) -> Line:
    """Connect to the desk and prove to be sent by it."""
    give_up = time.monotonic() + REACH_S
    while True:
        try:
            word = json.loads(file.read_text())
            connection = socket.create_connection((word["address"], word["port"]), ANSWER_S)
            break
        except (OSError, ValueError) as error:
            if time.monotonic() > give_up:
                logger.error("%s: the supervisor cannot be reached (%s)", file, error)
                raise ChannelClosedError from error
            time.sleep(RETRY_S)
    line = Line(connection, ANSWER_S)
    line.tell(ticket=ticket, proof=proof(word["token"], line.hear()["challenge"], ticket))
    return line


def _end_with(line: Line) -> None:
    """End this process at once when the supervisor does, or no longer wants it."""
    try:
        line.receive()
    except ChannelClosedError:
        os._exit(BEREFT)
