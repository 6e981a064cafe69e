"""What a worker has to push: the mean of its gradients since the last push, in the form that travels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.train.losses import Losses

Vector = NDArray[np.float32]

_BLOCK = 32_768  # elements; stays in the cache between its passes


class Accrual:
    """Mean of the gradients and losses since the last push, weighted by rows.

    That is the gradient of all their rows together, if the weights were the same.

    Attributes
    ----------
    gradient : float32 array (P,) or None
        With one batch its very gradient, else an array of this object's.
    batches, rows : int
    losses : float64 array (3,)
    free : float
        When the worker was free for the first batch, in seconds since 1970, as below.
    begin, end : float
        When computing began and ended.
    waited : float
        Seconds that it waited for the batches.
    """

    def __init__(self) -> None:
        self._mean: Vector | None = None
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.gradient: Vector | None = None
        self.batches = self.rows = 0
        self.losses = np.zeros(3)
        self.free = self.begin = self.end = self.waited = 0.0

    def add(self, gradient: Vector, losses: Losses, rows: int, free: float, begin: float, end: float) -> None:
        """Add a batch's gradient, computed between the last two times; it must not change until the push."""
        self.batches += 1
        self.rows += rows
        self.free, self.begin, self.end = self.free or free, self.begin or begin, end
        self.waited += begin - free
        if self.gradient is None:
            self.gradient, self.losses[:] = gradient, losses
            return
        if self._mean is None:
            self._mean = np.empty_like(gradient)
        if self.gradient is not self._mean:
            self._mean[:] = self.gradient
            self.gradient = self._mean
        share = rows / self.rows
        self.gradient += np.float32(share) * (gradient - self.gradient)
        self.losses += share * (np.array(losses) - self.losses)


class Encoder:
    """Puts gradients into the number format in which they travel.

    Of a format with 16 bits the rounding error is kept and added to the next gradient, so that
    small values are late but not lost.

    Parameters
    ----------
    length : int
        P.
    dtype : dtype
        float32, or a float type of 16 bits.
    """

    def __init__(self, length: int, dtype: Any) -> None:
        import ml_dtypes

        self._plain = np.dtype(dtype) == np.float32
        self._error = np.zeros(0 if self._plain else length, np.float32)
        self._most = np.float32(ml_dtypes.finfo(dtype).max)

    def encode(self, gradient: Vector, shares: Sequence[slice], payloads: Sequence[NDArray[Any]]) -> None:
        """Write the shares of a finite gradient to where they are sent from."""
        for share, payload in zip(shares, payloads, strict=True):
            if self._plain:
                if payload is not gradient:
                    np.copyto(payload, gradient[share])
                continue
            own, error = gradient[share], self._error[share]
            for start in range(0, own.size, _BLOCK):
                block = slice(start, start + _BLOCK)
                total = error[block]
                total += own[block]
                # What is too large for float16 comes in parts too.
                payload[block] = np.clip(total, -self._most, self._most)
                total -= payload[block].astype(np.float32)
