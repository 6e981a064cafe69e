"""Stopping in good order: a signal is noted, the step under way ends, a checkpoint is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """The first signal that arrived, if any."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.received is not None

    def deliver(self) -> None:
        """Let the signal have its usual effect now, after all is saved."""
        self._restore()
        if self.received is not None:
            signal.raise_signal(self.received)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = number
        self._restore()  # a second one takes effect at once

    def _install(self) -> None:
        # Python delivers signals to the main thread only, and lets only it install handlers.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._note)

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())


@contextmanager
def deferred_signals() -> Iterator[Interrupt]:
    """Hold SIGINT and SIGTERM back inside the block; ask the object given whether one came."""
    interrupt = Interrupt()
    interrupt._install()
    try:
        yield interrupt
    finally:
        interrupt._restore()
