"""Anonymous shared memory for vectors: nothing on disk, freed with the last process that holds it."""

from __future__ import annotations

import mmap
import os

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


class SharedVector:
    """A float32 vector in a memfd, which processes share by its file descriptor.

    Parameters
    ----------
    fd : int
        Descriptor of a memfd of at least ``4 * length`` bytes; owned from here on.
    length : int
        Number of elements.

    Attributes
    ----------
    array : float32 array (length,)
        The shared memory itself, writable. It stays valid after `close`.
    """

    def __init__(self, fd: int, length: int) -> None:
        self.fd = fd
        self.array: Vector = np.frombuffer(mmap.mmap(fd, 4 * length), np.float32)

    @classmethod
    def create(cls, name: str, length: int) -> SharedVector:
        """Allocate a vector of zeros; `name` shows in ``/proc/<pid>/maps``."""
        fd = os.memfd_create(f"dca-{name}")
        os.ftruncate(fd, 4 * length)
        return cls(fd, length)

    def close(self) -> None:
        """Close the descriptor; the memory lives on while an array or a process refers to it."""
        os.close(self.fd)
