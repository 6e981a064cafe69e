"""A launched worker: reports to the supervisor's desk, then does as one that was forked."""

from __future__ import annotations

import importlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dca.errors import DCAError
from dca.train.processes import network
from dca.train.processes.channel import ChannelClosedError
from dca.train.processes.line import Line, is_proof, proof
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


class RefusedError(Exception):
    """The desk does not want this process, or is not the one that sent it."""


def _serve(file: Path, ticket: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        # A scheduler sends it to all processes of a job; the supervisor ends this one when all is saved.
        signal.signal(number, signal.SIG_IGN)
    try:
        line = hello(file, ticket)
        told = _hear(line)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    fds = {name: memory_file(name, line.receive()) for name in told["contents"]}
    logging.getLogger().setLevel(told["log_level"])
    os.environ.update(told["environment"])
    # The same network has another name here, perhaps.
    os.environ["HOROVOD_GLOO_IFACE"] = network.of_address(line.own_address).name
    line.set_timeout(None)
    finished = threading.Event()
    threading.Thread(target=_end_with, args=(line, finished), daemon=True).start()

    def report(error: DCAError) -> None:
        content = [error.subject, error.problem, error.remedy]
        line.tell(kind="error", type=type(error).__name__, content=content)

    status = guard(lambda: _work(told["module"], Assignment(fds, told["task"])), report)
    finished.set()
    line.tell(kind="end", status=status)
    return status


def _work(module: str, assignment: Assignment) -> None:
    importlib.import_module(module).main(assignment)


def hello(file: Path, ticket: str) -> Line:
    """Connect to the desk; both sides prove that they know the token.

    Raises
    ------
    RefusedError
        If one of them does not.
    ChannelClosedError
        If nobody is there, or leaves.
    """
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
    challenge = secrets.token_hex(32)
    answer = proof(word["token"], "worker", _hear(line)["challenge"], ticket)
    line.tell(ticket=ticket, proof=answer, challenge=challenge)
    # What the desk sends is unpickled here, and its port may be another program's by now.
    if not is_proof(_hear(line).get("proof"), word["token"], "desk", challenge, ticket):
        raise RefusedError(f"{word['address']}:{word['port']} is not the supervisor that sent this worker")
    return line


def _hear(line: Line) -> dict[str, Any]:
    told = line.hear()
    if "refused" in told:
        raise RefusedError(f"refused by the supervisor: {told['refused']}")
    return told


def _end_with(line: Line, finished: threading.Event) -> None:
    """End this process at once when the supervisor does, or no longer wants it; unless it is at its end."""
    try:
        line.receive()
    except ChannelClosedError:
        if not finished.is_set():
            os._exit(BEREFT)
