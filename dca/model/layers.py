"""Max-pooling that remembers where each maximum was, and unpooling that puts it back."""

from __future__ import annotations

from typing import Any

from dca.model.backend import keras

ops = keras.ops


class MaxPool1DWithSwitches(keras.layers.Layer):
    """Max-pooling over time that also returns the positions of the maxima, the switches.

    A length that the pool size does not divide is padded at its end, so the output has
    ``ceil(length / pool_size)`` points. The first of equal maxima counts.

    Parameters
    ----------
    pool_size : int

    Input shape
    -----------
    ``(batch, length, channels)``

    Output shape
    ------------
    ``(batch, ceil(length / pool_size), channels)``, and as many switches: the position of each maximum
    within its window, as a boolean for a pool of 2, else int32.
    """

    def __init__(self, pool_size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """Pool, and say where from."""
        length, channels = inputs.shape[1:]
        short = -length % self.pool_size
        if short:
            lowest = float("-inf")
            inputs = ops.pad(inputs, [[0, 0], [0, short], [0, 0]], constant_values=lowest)
        windows = ops.reshape(inputs, (-1, (length + short) // self.pool_size, self.pool_size, channels))
        if self.pool_size == 2:
            # Several times faster than argmax, and the usual case. Slices would have costly gradients.
            first, second = ops.unstack(windows, 2, axis=2)
            return ops.maximum(first, second), second > first
        return ops.max(windows, axis=2), ops.argmax(windows, axis=2)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "pool_size": self.pool_size}


class Unpool1D(keras.layers.Layer):
    """Inverse of `MaxPool1DWithSwitches`: values go back to where the maxima were, zeros elsewhere.

    Without switches every point of a window gets the value: plain up-sampling.

    Parameters
    ----------
    length : int
        Points of the output; what a last window has beyond is cut off.
    pool_size : int

    Input shape
    -----------
    ``(batch, ceil(length / pool_size), channels)``, and switches or None.

    Output shape
    ------------
    ``(batch, length, channels)``
    """

    def __init__(self, length: int, pool_size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.pool_size = length, pool_size

    def call(self, inputs: Any, switches: Any = None) -> Any:
        """Put the values back."""
        if switches is None:
            return ops.repeat(inputs, self.pool_size, axis=1)[:, : self.length]
        windows = ops.stack(self._slots(inputs, switches), axis=2)
        size, channels = inputs.shape[1] * self.pool_size, inputs.shape[2]
        values = ops.reshape(windows, (-1, size, channels))
        # Not a slice, even where there is nothing to cut off: its gradient is costly.
        return values if size == self.length else ops.split(values, [self.length], axis=1)[0]

    def _slots(self, inputs: Any, switches: Any) -> list[Any]:
        zeros = ops.zeros_like(inputs)
        if self.pool_size == 2:
            return [ops.where(switches, zeros, inputs), ops.where(switches, inputs, zeros)]
        return [ops.where(switches == slot, inputs, zeros) for slot in range(self.pool_size)]

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "length": self.length, "pool_size": self.pool_size}
