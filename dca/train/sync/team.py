"""A team over Horovod: one allreduce per step carries all that its members have to tell each other."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from dca.errors import TrainingError
from dca.train.checkpoint import Checkpoint
from dca.train.losses import Losses
from dca.train.processes.world import Collective
from dca.train.team import Contribution, Lap

Vector = NDArray[np.float32]

_SUMS = 5  # three losses, rows, stop


class HorovodTeam:
    """See `dca.train.team.Team`.

    Parameters
    ----------
    world : Collective
    progress : float32 array (size,)
        Each member changes its own number after every step, for the supervisor to see.
    """

    def __init__(self, world: Collective, progress: Vector) -> None:
        self._world, self._progress = world, progress
        self.rank, self.size = world.rank, world.size
        self._message = np.empty(0, np.float32)
        self._move()

    def share(self, state: Checkpoint | None) -> Checkpoint:
        """Broadcast it."""
        return self._world.share(state)

    def combine(self, own: Contribution) -> Contribution:
        """Sum over all; each has the laps of its own in a place where the others have zeros."""
        length = own.gradient.size
        if self._message.size == 0:
            self._message = np.empty(length + _SUMS + len(Lap._fields) * self.size, np.float32)
        np.multiply(own.gradient, np.float32(own.rows), out=self._message[:length])
        rest = self._message[length:]
        rest[:_SUMS] = [*(own.rows * loss for loss in own.losses), own.rows, own.stop]
        laps = rest[_SUMS:].reshape(self.size, -1)
        laps[:] = 0
        laps[self.rank] = own.laps[0]
        total = self._world.total(self._message)
        gradient, (*losses, rows, stop) = total[:length], total[length:][:_SUMS].tolist()
        gradient /= np.float32(rows)
        self._move()
        return Contribution(
            gradient,
            Losses(*(loss / rows for loss in losses)),
            int(rows),
            stop > 0,
            tuple(Lap(*lap) for lap in total[length + _SUMS :].reshape(self.size, -1).tolist()),
        )

    def verify(self, weights: Vector) -> None:
        """Compare checksums, in halves that a float32 holds.

        Raises
        ------
        TrainingError
            If they differ, which a sum that is the same for all cannot lead to.
        """
        sums = np.zeros((self.size, 2), np.float32)
        sums[self.rank] = divmod(zlib.crc32(weights.tobytes()), 1 << 16)
        if len(np.unique(self._world.total(sums.ravel()).reshape(-1, 2), axis=0)) > 1:
            raise TrainingError(
                "train", "the workers have come to different weights",
                "use machines of one kind, or train.mode: downpour",
            )  # fmt: skip

    def leave(self) -> None:
        """End the world, when all want to."""
        self._world.close()

    def _move(self) -> None:
        self._progress[self.rank] = self._progress[self.rank] % 1_000_000 + 1
