"""Messages between processes of the server's machine: small JSON records on a local socket pair."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any

_LIMIT = 200_000  # bytes of a message; the kernel takes no more by default
_MAX_FDS = 8


class ChannelClosedError(Exception):
    """The process at the other end has closed the channel or died."""


class Channel:
    """One end of a bidirectional channel that keeps message boundaries and can carry descriptors.

    Its end shows as end of file as soon as the other process dies, however it dies.

    Parameters
    ----------
    fd : int
        Descriptor of an ``AF_UNIX``/``SOCK_SEQPACKET`` socket; owned from here on.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends."""
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(a.detach()), cls(b.detach())

    def fileno(self) -> int:
        """Descriptor, for `selectors` and for passing on to a child."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send one message, with copies of open descriptors.

        Raises
        ------
        ChannelClosedError
            If the other end is gone.
        """
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], fds)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosedError from error

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """Wait for one message and the descriptors that came with it.

        Raises
        ------
        ChannelClosedError
            If the other end is gone and all it sent has been read.
        """
        try:
            content, fds, _, _ = socket.recv_fds(self._socket, _LIMIT, _MAX_FDS)
        except ConnectionResetError as error:
            raise ChannelClosedError from error
        if not content:
            raise ChannelClosedError
        return json.loads(content), fds

    def call(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and wait for its answer."""
        self.send(message)
        return self.receive()[0]

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
