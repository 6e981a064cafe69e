"""What travels with a gradient and with the weights, and the order in which both ends expect it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray


class Push(NamedTuple):
    """What a worker says about the gradient it pushes. All numbers, so that a float64 holds each."""

    last: float
    """1 if the worker ends after this push: it has no more rows, or was told to stop."""
    finite: float
    """1 if the gradient may be applied; else what stands in its place is not to be looked at."""
    position: float
    """Batches of its stream that are in this and all its earlier pushes."""
    epoch: float
    """Epoch of its newest batch, from 0."""
    batches: float
    """Batches the gradient is the mean of; 0: there is no gradient, only the end to tell."""
    rows: float
    """Rows of these batches."""
    loss: float
    reconstruction: float
    feature: float
    version: float
    """Version of this server's share of the weights that the gradient was computed from."""
    stall: float
    """Share of the time since its last push was computed that it waited for rows, 0 to 1."""
    read_start: float
    """When it was free to read rows for this push, in seconds since 1970, as all below."""
    compute_start: float
    compute_end: float
    exchange_start: float
    """The newest exchange that has ended; 0 before the first."""
    exchange_end: float


class Pull(NamedTuple):
    """What a server says about the weights it hands out."""

    version: float
    """Updates applied to these weights."""
    stop: float
    """1 if training has reached its end: the worker leaves. Only server 0 says so."""


Header = TypeVar("Header", Push, Pull)


def pack(header: Push | Pull) -> NDArray[np.float32]:
    """Give the bytes of a header as float32, to be put behind a vector."""
    return np.array(header, np.float64).view(np.float32)


def packed_size(kind: type[Push] | type[Pull]) -> int:
    """Count the float32 that `pack` gives."""
    return 2 * len(kind._fields)


def unpack(kind: type[Header], packed: NDArray[np.float32]) -> Header:
    """Invert `pack`."""
    return kind(*np.frombuffer(packed.tobytes(), np.float64).tolist())


class Parcel(Generic[Header]):
    """One message to or from one server: a vector with its header behind it, in memory of the caller's.

    Parameters
    ----------
    kind : type
        `Push` or `Pull`.
    words : float32 array (`Parcel.size`,)
        The memory.
    length : int
        Elements of the vector.
    dtype : dtype
        Of the vector: float32, or one of 16 bits.

    Attributes
    ----------
    words : float32 array
    payload : array (length,)
        The vector, a view of the memory.
    """

    def __init__(
        self, kind: type[Header], words: NDArray[np.float32], length: int, dtype: Any = np.float32
    ) -> None:
        self._kind: type[Header] = kind
        self.words = words
        self._header = words[words.size - packed_size(kind) :]
        self.payload = words[: words.size - packed_size(kind)].view(dtype)[:length]

    @staticmethod
    def size(kind: type[Push] | type[Pull], length: int, dtype: Any = np.float32) -> int:
        """Count the float32 that a message takes."""
        return -(-length * np.dtype(dtype).itemsize // 4) + packed_size(kind)

    @property
    def header(self) -> Header:
        """What is said about the vector."""
        return unpack(self._kind, self._header)

    @header.setter
    def header(self, header: Header) -> None:
        self._header[:] = pack(header)


def turns(n_push: int, n_fetch: int) -> Iterator[tuple[bool, bool]]:
    """Whether a worker pushes and fetches after each of its steps, from the first on, without end.

    Worker and agents follow it, so none has to announce what it sends next.
    """
    step = 0
    while True:
        step += 1
        yield step % n_push == 0, step % n_fetch == 0
