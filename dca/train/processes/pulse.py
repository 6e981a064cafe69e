"""The supervisor's sign of life for the job that waits for it."""

from __future__ import annotations

from dca.train.processes.shared import SharedVector


class Pulse:
    """A number in shared memory that changes as long as the supervisor goes through its loop.

    Parameters
    ----------
    fd : int
        Descriptor of a `SharedVector` of one element; owned from here on.
    """

    def __init__(self, fd: int) -> None:
        self._beats = SharedVector(fd, 1).array

    def beat(self) -> None:
        """Show that this process goes on."""
        self._beats[0] = self._beats[0] % 1_000_000 + 1  # a float32 has them all
