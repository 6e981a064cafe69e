"""The desk of the supervisor: where launched workers report, prove who sent them, and are told their task."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import socketserver
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dca import errors
from dca.errors import DCAError, TrainingError
from dca.files import atomic
from dca.train.processes.channel import ChannelClosedError
from dca.train.processes.line import Line, is_proof, proof
from dca.train.processes.network import listening
from dca.train.processes.process import FAILED

logger = logging.getLogger(__name__)

HELLO_S = 10  # for a newcomer to say who it is
SETTLE_S = 1  # for further copies of a worker to come, when there is one too many
_HELLO_LIMIT = 1000  # bytes
FILE = ".desk"  # in the folder of the job


class Seat:
    """What is kept for one worker: its assignment, which is handed out once, and what it reports.

    Parameters
    ----------
    ticket : str
        Its name at the desk.
    role, launcher : str
        For messages.
    content : sequence of bytes
        The assignment: JSON, then the pickled job and position.

    Attributes
    ----------
    ticket : str
    arrived : int
        Processes that came for it.
    """

    def __init__(self, ticket: str, role: str, launcher: str, content: Sequence[bytes]) -> None:
        self.ticket, self._role, self._launcher, self._content = ticket, role, launcher, content
        self._lock = threading.Lock()
        self._line: Line | None = None
        self._closed = False
        self._error: DCAError | None = None
        self._status: int | None = None
        self._contested_at = 0.0
        self.arrived = 0

    @property
    def status(self) -> int | None:
        """What the worker reported as its exit status, `FAILED` if it broke off; None while it is at work."""
        return None if self._contested and not self.error else self._status

    @property
    def error(self) -> DCAError | None:
        """What the user has to mend: what the worker found, or that there are several of it."""
        if not self._contested:
            return self._error
        if time.monotonic() < self._contested_at + SETTLE_S:
            return None
        return TrainingError(
            "train.launcher",
            f"`{self._launcher}` started {self.arrived} processes for {self._role}, which is one process",
            f"look for settings or wrappers of `{self._launcher}` that multiply what it is told to start",
        )

    @property
    def _contested(self) -> bool:
        return self.arrived > 1

    def serve(self, line: Line) -> None:
        """Give a process its assignment and listen to it until its end; refuse it if it is not the first."""
        with self._lock:
            self.arrived += 1
            first = self.arrived == 1 and not self._closed
            if first:
                self._line = line
            elif self.arrived == 2:
                self._contested_at = time.monotonic()
        if not first:
            line.tell(refused=f"{self._role} is there already")
            return
        try:
            for part in self._content:
                line.send(part)
            while self._status is None:
                self._note(line.hear())
        except ChannelClosedError:
            pass
        finally:
            if self._status is None:
                self._status = FAILED

    def _note(self, message: dict[str, Any]) -> None:
        if message["kind"] == "error":
            self._error = getattr(errors, message["type"])(*message["content"])
        else:
            self._status = int(message["status"])

    def close(self) -> None:
        """Have the worker end, if it is there, and nobody take its place."""
        with self._lock:
            self._closed = True
            if self._line is not None:
                self._line.hang_up()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    desk: Desk

    def handle_error(self, _: Any, client_address: Any) -> None:
        logger.exception("The desk for workers failed with %s.", client_address[0])


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.server.desk.receive(Line(self.request, HELLO_S), self.client_address[0])  # type: ignore[attr-defined]


class Desk:
    """Listens on the launch interface, and leaves word in the job's folder how to get there.

    The file with the address and the token can be read by the user alone. So the token is on no command
    line and in no environment, whatever the launcher makes of these.

    Parameters
    ----------
    address : str
        Of the launch interface.
    folder : Path
        Of the job; workers on other machines see it too.

    Attributes
    ----------
    file : Path
    seal : str
        Made from the token, which cannot be found from it.

    Raises
    ------
    TrainingError
        If no port is free.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._token = secrets.token_hex(32)
        self.seal = hashlib.sha256(self._token.encode()).hexdigest()
        self._seats: dict[str, Seat] = {}
        with listening(address):
            self._server = _Server((address, 0), _Handler)
        self._server.desk = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.file = folder.absolute() / FILE
        word = {"address": address, "port": self._server.server_address[1], "token": self._token}
        with atomic(self.file) as temporary:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as target:
                json.dump(word, target)

    def expect(self, role: str, launcher: str, content: Sequence[bytes]) -> Seat:
        """Keep a seat for a worker that is about to be started."""
        # Not a number: one left behind by an earlier training of this folder must not fit.
        seat = Seat(secrets.token_hex(8), role, launcher, content)
        self._seats[seat.ticket] = seat
        return seat

    def give_up(self, seat: Seat) -> None:
        """Have a worker end, or not begin."""
        self._seats.pop(seat.ticket, None)
        seat.close()

    def receive(self, line: Line, address: str) -> None:
        """Deal with one connection until its end."""
        try:
            seat = self._admit(line, address)
            if seat is not None:
                line.set_timeout(None)
                seat.serve(line)
        except ChannelClosedError:
            pass  # It left, or took too long.
        finally:
            line.close()

    def _admit(self, line: Line, address: str) -> Seat | None:
        challenge = secrets.token_hex(32)
        line.tell(challenge=challenge)
        try:
            hello = line.hear(_HELLO_LIMIT)
            ticket, theirs = str(hello["ticket"]), str(hello["challenge"])
            genuine = is_proof(hello["proof"], self._token, "worker", challenge, ticket)
        except (ValueError, TypeError, KeyError):
            genuine = False
        if not genuine:
            logger.warning("A process at %s without the token of this training was refused.", address)
            line.tell(refused="the token is not that of this training")
            return None
        seat = self._seats.get(ticket)
        if seat is None:
            line.tell(refused="this worker is no longer needed")
        else:
            line.tell(proof=proof(self._token, "desk", theirs, ticket))
        return seat

    def close(self) -> None:
        """Have all workers end, and stop listening."""
        for seat in list(self._seats.values()):
            self.give_up(seat)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.file.unlink(missing_ok=True)
