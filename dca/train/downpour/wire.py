"""The worker's end of the wire: one message to every server, one message from each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from dca.train.downpour.accrual import Encoder
from dca.train.downpour.layout import COMPRESSIONS, shares
from dca.train.downpour.messages import Parcel, Pull, Push
from dca.train.processes.world import Outbox, World

Vector = NDArray[np.float32]


class Wire:
    """Splits a gradient among the servers and puts their shares of the weights together.

    Parameters
    ----------
    world : World
    length : int
        P.
    servers : int
    compression : str
        A key of `COMPRESSIONS`, for gradients. Weights travel as they are: in 16 bits they would
        lose the small updates that they are made of.
    """

    def __init__(self, world: World, length: int, servers: int, compression: str) -> None:
        self._world, dtype = world, COMPRESSIONS[compression]
        self._shares = shares(length, servers)
        lengths = [share.stop - share.start for share in self._shares]
        sizes = [Parcel.size(Push, n, dtype) for n in lengths]
        self._outbox = Outbox.create([0, *sizes])
        self._pushes = [
            Parcel(Push, part, n, dtype)
            for part, n in zip(_split(self._outbox.vector, sizes), lengths, strict=True)
        ]
        self._pull_sizes = [Parcel.size(Pull, n) for n in lengths]
        self._encoder = Encoder(length, dtype)
        self._weights = np.empty(length if servers > 1 else 0, np.float32)

    @property
    def room(self) -> Vector | None:
        """Memory, float32 (P,), that a gradient is sent from; None where its parts are sent, or 16 bits."""
        payload = self._pushes[0].payload
        return payload if len(self._pushes) == 1 and payload.dtype == np.float32 else None

    def open(self) -> None:
        """Wait until the servers let this worker begin."""
        self._world.gate()

    def push(self, gradient: Vector | None, header: Push, versions: Sequence[float]) -> None:
        """Send a gradient, float32 (P,), and what is to be said about it, to every server.

        It is copied, unless it is `room`.
        `versions` are those of their shares that it was computed from. None sends the header only.
        """
        if gradient is not None:
            self._encoder.encode(gradient, self._shares, [own.payload for own in self._pushes])
        for own, version in zip(self._pushes, versions, strict=True):
            own.header = header._replace(version=version)
        self._world.send("push", self._outbox)

    def pull(self) -> tuple[Vector, list[float], bool]:
        """Receive weights.

        Returns
        -------
        weights : float32 array (P,)
            Valid until the next pull; read-only.
        versions : list of float
            Of every server's share.
        stop : bool
            Whether server 0 says that training has reached its end.
        """
        message = self._world.receive("pull", sum(self._pull_sizes))
        parts = _split(message, self._pull_sizes)
        lengths = [share.stop - share.start for share in self._shares]
        pulls = [Parcel(Pull, part, n) for part, n in zip(parts, lengths, strict=True)]
        headers = [pull.header for pull in pulls]
        if len(pulls) == 1:
            weights = pulls[0].payload
        else:
            weights = np.concatenate([pull.payload for pull in pulls], out=self._weights)
        return weights, [header.version for header in headers], bool(headers[0].stop)


def _split(vector: Vector, sizes: Sequence[int]) -> list[Vector]:
    return np.split(vector, list(accumulate(sizes))[:-1])
