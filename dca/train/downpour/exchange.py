"""When a worker pushes and fetches: at once, or while it computes its next gradient."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dca.train.downpour.accrual import Accrual
from dca.train.downpour.messages import Push, turns
from dca.train.losses import Losses
from dca.train.optimizers import clip
from dca.train.settings import TrainSettings

Vector = NDArray[np.float32]


class Ways(Protocol):
    """What an exchange goes through: `dca.train.downpour.wire.Wire`."""

    @property
    def room(self) -> Vector | None:
        """Memory that a gradient can be sent from without being copied."""
        ...

    def open(self) -> None:
        """Wait for leave to begin."""

    def push(self, gradient: Vector | None, header: Push, versions: list[float]) -> None:
        """Send a gradient."""

    def pull(self) -> tuple[Vector, list[float], bool]:
        """Receive weights, their versions, and whether to stop."""
        ...


class _Pulled(NamedTuple):
    """What came back from an exchange, and when it took place."""

    weights: Vector | None
    versions: list[float]
    stop: bool
    begin: float
    end: float


class Exchange:
    """The worker's side of the exchange with the servers.

    Without overlap a turn is over when its exchange is. With overlap the exchange goes on in a thread
    while the next gradient is computed, from weights that are one exchange older; the turn after
    waits for its end, so that there is never more than one under way.

    Parameters
    ----------
    wire : Ways
    load : callable
        Puts weights, float32 (P,), into the model.
    settings : TrainSettings
        `n_push`, `n_fetch`, `overlap` and `clip_norm` of it.
    position : int
        Batches of the stream behind the worker.
    """

    def __init__(
        self, wire: Ways, load: Callable[[Vector], None], settings: TrainSettings, position: int
    ) -> None:
        self._wire, self._load, self._settings = wire, load, settings
        self._position, self._epoch = position, 0
        self._turns = turns(settings.n_push, settings.n_fetch)
        self._accrual = Accrual()
        self._versions: list[float] = []  # of the weights at hand
        self._oldest: list[float] = []  # of those that the first gradient since the last push is from
        self._free = self._begin = self._end = self._computed = 0.0
        self._thread = ThreadPoolExecutor(1, "exchange") if settings.overlap else None
        self._running: Future[_Pulled] | None = None

    @property
    def room(self) -> Vector | None:
        """Memory, float32 (P,), where the next gradient spares a copy; None if there is no such place.

        With overlap the last gradient is still sent from it, and the mean of several has its own.
        """
        return self._wire.room if self._thread is None and self._settings.n_push == 1 else None

    def begin(self) -> bool:
        """Get the first weights; whether the servers say to stop."""
        self._wire.open()
        stop = self._take(self._carry(None, None, [], fetch=True))
        self._begin = self._end = 0.0  # This was start-up.
        self._free = time.time()
        return stop

    def add(self, epoch: int, gradient: Vector, losses: Losses, rows: int, begin: float) -> None:
        """Take in the gradient of a batch whose computing began at `begin` and has just ended."""
        if self._accrual.batches == 0:
            self._oldest = self._versions
        self._accrual.add(gradient, losses, rows, self._free, begin, time.time())
        self._position, self._epoch = self._position + 1, epoch

    def turn(self) -> bool:
        """Do, or begin, what is due after a step.

        Returns
        -------
        bool
            Whether the servers say to stop.
        """
        push, fetch = next(self._turns)
        task = self._task(push, fetch)
        stop = self._join()
        if self._thread is not None and (push or fetch):
            self._running = self._thread.submit(task)
        elif push or fetch:
            stop = self._take(task())
        self._free = time.time()
        return stop

    def end(self) -> None:
        """Push what is left, and say that it is the last."""
        last = self._task(True, False, last=True)
        self._join()
        for push, fetch in self._turns:
            if push:
                break
            if fetch:
                self._wire.pull()  # The agents know of the end when they get the last push.
        last()

    def _task(self, push: bool, fetch: bool, last: bool = False) -> Callable[[], _Pulled]:
        """Make an exchange of what has gathered until now, which can take place in another thread."""
        if not push:
            return partial(self._carry, None, None, [], fetch)
        own = self._accrual
        finite = own.gradient is not None and clip(own.gradient, self._settings.clip_norm)
        header = Push(
            last=last,
            finite=finite,
            position=self._position,
            epoch=self._epoch,
            batches=own.batches,
            rows=own.rows,
            loss=own.losses[0],
            reconstruction=own.losses[1],
            feature=own.losses[2],
            version=0,
            stall=self._stall(),
            read_start=own.free,
            compute_start=own.begin,
            compute_end=own.end,
            exchange_start=self._begin,
            exchange_end=self._end,
        )
        gradient = own.gradient if finite else None
        # A mean is as old as the oldest gradient in it.
        versions = self._oldest if own.batches else self._versions
        self._computed = own.end
        own.clear()
        return partial(self._carry, gradient, header, versions, fetch)

    def _stall(self) -> float:
        """Give the share of the time since the last push was computed that went into waiting for rows."""
        own = self._accrual
        # The clock of the system may be set meanwhile.
        return min(1.0, max(0.0, own.waited / max(1e-9, own.end - (self._computed or own.free))))

    def _carry(
        self, gradient: Vector | None, header: Push | None, computed_from: list[float], fetch: bool
    ) -> _Pulled:
        begin = time.time()
        if header is not None:
            self._wire.push(gradient, header, computed_from)
        weights, versions, stop = self._wire.pull() if fetch else (None, [], False)
        return _Pulled(weights, versions, stop, begin, time.time())

    def _join(self) -> bool:
        """Wait for the exchange under way, if there is one, and take what it brought."""
        if self._running is None:
            return False
        running, self._running = self._running, None
        return self._take(running.result())

    def _take(self, pulled: _Pulled) -> bool:
        if pulled.weights is not None:
            self._load(pulled.weights)
            self._versions = pulled.versions
        self._begin, self._end = pulled.begin, pulled.end
        return pulled.stop
