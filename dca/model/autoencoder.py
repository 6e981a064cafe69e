"""The convolutional autoencoder of the paper's §3."""

from __future__ import annotations

from typing import Any, NamedTuple

from dca.model.architecture import Architecture
from dca.model.backend import keras
from dca.model.layers import MaxPool1DWithSwitches, Unpool1D

ops = keras.ops


class Pass(NamedTuple):
    """What the loss needs of a pass through the network."""

    output: Any
    """Reconstruction x̂, (B, T)."""
    z: Any
    """Flattened top of the encoder, (B, F)."""
    z_decoded: Any
    """What the decoder starts from, Z' (B, F)."""


class Autoencoder(keras.Model):
    """Encoder and decoder with a linear code H between them.

    Call `build` of this module rather than the class: it makes the variables too.

    Parameters
    ----------
    architecture : Architecture
    seed : int
        Of the initial weights (Glorot uniform; biases 0).
    """

    def __init__(self, architecture: Architecture, seed: int = 0) -> None:
        super().__init__(name="autoencoder")
        self.architecture = a = architecture
        self.length = a.length
        top = a.lengths[-1] * a.features[-1]
        layers = len(a.features)
        seeds = iter(range(1_000 * seed, 1_000 * seed + 2 * layers + 2))

        def options(name: str) -> dict[str, Any]:
            return {"name": name, "kernel_initializer": keras.initializers.GlorotUniform(seed=next(seeds))}

        def convolution(features: int, filters: int, activation: str | None, name: str) -> Any:
            return keras.layers.Conv1D(
                features, filters, padding="same", activation=activation, **options(name)
            )

        self.encoder = [
            convolution(features, filters, "relu", f"encoder_{i + 1}")
            for i, (features, filters) in enumerate(zip(a.features, a.filters, strict=True))
        ]
        self.pools = [MaxPool1DWithSwitches(size, name=f"pool_{i + 1}") for i, size in enumerate(a.pooling)]
        self.to_hidden = keras.layers.Dense(a.hidden, **options("hidden"))
        self.from_hidden = keras.layers.Dense(top, **options("top"))
        # The mirror image: layer i of the decoder undoes layer i of the encoder, counted from the top.
        below = (1, *a.features[:-1])
        self.decoder = [
            convolution(below[i], a.filters[i], "relu" if i else None, f"decoder_{i + 1}")
            for i in reversed(range(layers))
        ]
        self.unpools = [
            Unpool1D(a.lengths[i], a.pooling[i], name=f"unpool_{i + 1}") for i in reversed(range(layers - 1))
        ]

    def encode(self, x: Any) -> Any:
        """Series (B, T) to codes H (B, hidden)."""
        return self.to_hidden(self._ascend(x)[0])

    def decode(self, h: Any, switches: list[Any] | None = None) -> Any:
        """Codes H (B, hidden) to series (B, T).

        `switches` are those of `switches_of`, lowest layer first; without them layers are up-sampled.
        """
        return self._descend(self.from_hidden(h), switches)

    def switches_of(self, x: Any) -> list[Any]:
        """Positions of the maxima in each pooling layer, lowest first, for series (B, T)."""
        return self._ascend(x)[1]

    def forward(self, x: Any) -> Pass:
        """Reconstruct series (B, T) and keep what eq. 5 compares."""
        z, switches = self._ascend(x)
        z_decoded = self.from_hidden(self.to_hidden(z))
        used = switches if self.architecture.switches else None
        return Pass(self._descend(z_decoded, used), z, z_decoded)

    def call(self, x: Any) -> Any:
        """Reconstruction of series (B, T)."""
        return self.forward(x).output

    def _ascend(self, x: Any) -> tuple[Any, list[Any]]:
        maps, switches = ops.expand_dims(x, -1), []
        for i, convolution in enumerate(self.encoder):
            maps = convolution(maps)
            if i < len(self.pools):
                maps, positions = self.pools[i](maps)
                switches.append(positions)
        return ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2])), switches

    def _descend(self, z: Any, switches: list[Any] | None) -> Any:
        a = self.architecture
        maps = ops.reshape(z, (-1, a.lengths[-1], a.features[-1]))
        for i, convolution in enumerate(self.decoder):
            maps = convolution(maps)
            if i < len(self.unpools):
                maps = self.unpools[i](maps, None if switches is None else switches[-1 - i])
        return ops.squeeze(maps, -1)


def build(architecture: Architecture, seed: int = 0) -> Autoencoder:
    """Make an autoencoder with its variables.

    Parameters
    ----------
    architecture : Architecture
    seed : int
        Of the initial weights: the same seed gives the same weights.
    """
    model = Autoencoder(architecture, seed)
    model(ops.zeros((1, architecture.length)))
    return model
