"""Messages between a launched worker and the supervisor: frames on a TCP connection."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from contextlib import suppress
from typing import Any

from dca.train.processes.channel import ChannelClosedError

_LENGTH_BYTES = 8
LIMIT = 1 << 32  # bytes of a frame
# Seconds of silence before a probe, between probes, and probes: a dead machine says nothing by itself.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 6}
_USER_TIMEOUT_MS = 45_000


class Line:
    """One end of a connection.

    Its end shows as end of file as soon as the process at the other end dies; if its machine or the network
    dies, after 45 s.

    Parameters
    ----------
    connection : socket
        Owned from here on.
    timeout : float or None
        Seconds that anything may take, until `set_timeout`.
    """

    def __init__(self, connection: socket.socket, timeout: float | None) -> None:
        self._socket = connection
        self._socket.settimeout(timeout)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (*_KEEPALIVE.items(), (socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)):
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
        self._reader = self._socket.makefile("rb")

    def set_timeout(self, timeout: float | None) -> None:
        """Let anything take so many seconds; None = as long as both ends live."""
        self._socket.settimeout(timeout)

    @property
    def own_address(self) -> str:
        """Address of this end."""
        return self._socket.getsockname()[0]

    def send(self, content: bytes) -> None:
        """Send a frame.

        Raises
        ------
        ChannelClosedError
            If the other end is gone or takes too long; so does `receive`.
        """
        try:
            self._socket.sendall(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
        except OSError as error:
            raise ChannelClosedError from error

    def receive(self, limit: int = LIMIT) -> bytes:
        """Wait for a frame of `limit` bytes at most; the connection is of no use after a longer one."""
        length = int.from_bytes(self._read(_LENGTH_BYTES), "big")
        if length > limit:
            raise ChannelClosedError
        return self._read(length)

    def _read(self, size: int) -> bytes:
        try:
            content = self._reader.read(size)
        except OSError as error:
            raise ChannelClosedError from error
        if len(content) < size:
            raise ChannelClosedError
        return content

    def tell(self, **message: Any) -> None:
        """Send a message, as JSON."""
        self.send(json.dumps(message).encode())

    def hear(self, limit: int = LIMIT) -> dict[str, Any]:
        """Wait for a message."""
        return json.loads(self.receive(limit))

    def hang_up(self) -> None:
        """End the connection; a thread that waits at either end is woken."""
        with suppress(OSError):  # The other end was faster.
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection and free the socket; not while another thread uses it."""
        self.hang_up()
        self._reader.close()
        self._socket.close()


def proof(token: str, who: str, challenge: str, ticket: str) -> str:
    """What only one who has the token can answer to a challenge, for a ticket.

    `who` answers, ``worker`` or ``desk``, so that neither can be given back its own answer.
    """
    return hmac.new(token.encode(), f"{who} {challenge} {ticket}".encode(), hashlib.sha256).hexdigest()


def is_proof(answer: object, token: str, who: str, challenge: str, ticket: str) -> bool:
    """Whether an answer is that `proof`."""
    return hmac.compare_digest(str(answer).encode(), proof(token, who, challenge, ticket).encode())
