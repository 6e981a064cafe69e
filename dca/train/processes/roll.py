"""The roll call of a world: whether all of this training are there, and nobody else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.errors import TrainingError

_REMEDY = "look for settings of Horovod (HOROVOD_*) that send processes to each other, and run again"


def call_roll(size: int, expected: int, seal: str, gather: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Check a world that has just come up; all its processes do this.

    Parameters
    ----------
    size, expected : int
        Processes there are, and there should be.
    seal : str
        What only processes of this training know: made from the token of the job.
    gather : callable
        Gives the rows, uint8 (1, 32), of all processes below each other.

    Raises
    ------
    TrainingError
        If there are more or fewer processes, or one of another training.
    """
    if size != expected:
        raise TrainingError("train", f"a world of {size} processes came up instead of {expected}", _REMEDY)
    own = np.frombuffer(hashlib.sha256(seal.encode()).digest(), np.uint8)
    strangers = np.flatnonzero((gather(own[None]) != own).any(axis=1))
    if strangers.size:
        raise TrainingError(
            "train", f"a world came up whose rank {strangers[0]} has not the token of this job", _REMEDY
        )  # fmt: skip
