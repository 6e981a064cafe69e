"""How long something has been waited for, when the whole job may have been suspended meanwhile."""

from __future__ import annotations

import time

GAP_S = 1.0  # the most that counts between two looks


class Waited:
    """A clock of the time in which this process was there to see what it waits for.

    While a job is suspended as a whole (by a scheduler, or a lid that is closed) nobody could have
    answered: a gap between two looks counts for a second at most. So look more often than that.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._seconds, self._looked = 0.0, time.monotonic()

    def look(self) -> float:
        """Seconds waited so far."""
        now = time.monotonic()
        self._seconds += min(now - self._looked, GAP_S)
        self._looked = now
        return self._seconds
