"""One training step: the loss of eq. 5 and its gradient over a batch of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.model.backend import tf
from dca.train.flat import n_parameters
from dca.train.losses import Losses

Vector = NDArray[np.float32]


class GradientStep:
    r"""Loss and gradient of an autoencoder on batches.

    .. math:: \frac{1}{B}\sum_b \tfrac12\|y_b-\hat x_b\|^2 + \tfrac12\lambda\|Z_b-Z'_b\|^2

    The target y is the series x itself (the paper's), or what comes behind it in the batch.

    A batch is cut into equal micro-batches whose gradients add up to exactly the gradient of the
    whole: memory stays bounded and the working set nearer to the caches.

    Parameters
    ----------
    model : Autoencoder
        Anything with ``forward(x) -> (x_hat, z, z_decoded)``.
    penalty : float
        λ.
    micro_batch : int
        Rows per pass at most.
    targets : bool
        Whether rows are series and targets, (B, 2T), instead of series, (B, T).
    """

    def __init__(self, model: Any, penalty: float, micro_batch: int = 512, *, targets: bool = False) -> None:
        self.model, self.penalty, self.micro_batch = model, float(penalty), int(micro_batch)
        self._size, self._targets = n_parameters(model), targets
        self.width = model.length * (1 + targets)
        # Shapes are declared open in the batch, so that a last, smaller batch is no new trace.
        rows = tf.TensorSpec((None, self.width), tf.float32)
        scale = tf.TensorSpec((), tf.float32)
        self._gradient = tf.function(self._gradient_graph, input_signature=[rows, scale], autograph=False)
        self._losses = tf.function(self._loss_graph, input_signature=[rows, scale], autograph=False)

    def __call__(self, batch: Vector, out: Vector | None = None) -> tuple[Vector, Losses]:
        """Gradient of the batch's mean loss.

        Parameters
        ----------
        batch : float32 array (B, T), or (B, 2T) with targets
            B ≥ 1.
        out : float32 array (P,), optional
            Where to put the gradient.

        Returns
        -------
        gradient : float32 array (P,)
            `out` or a new array, in the order of `dca.train.flat.get_flat`.
        losses : Losses
        """
        gradient = np.empty(self._size, np.float32) if out is None else out
        sums = np.zeros(2)
        for i, part in enumerate(self._parts(batch)):
            flat, *losses = self._gradient(part, np.float32(1 / len(batch)))
            if i == 0:
                np.copyto(gradient, flat.numpy())
            else:
                gradient += flat.numpy()
            sums += [float(loss) for loss in losses]
        return gradient, Losses.of(*sums.tolist())

    def evaluate(self, batch: Vector) -> Losses:
        """Losses of a batch, float32 (B, T) or (B, 2T), without a gradient."""
        sums = np.zeros(2)
        for part in self._parts(batch):
            sums += [float(loss) for loss in self._losses(part, np.float32(1 / len(batch)))]
        return Losses.of(*sums.tolist())

    def _parts(self, batch: Vector) -> list[Vector]:
        if len(batch) == 0:
            raise ValueError("a batch needs at least one row")
        return np.array_split(batch, -(-len(batch) // self.micro_batch))

    def _loss_graph(self, rows: Any, scale: Any) -> tuple[Any, Any]:
        x, y = tf.split(rows, 2, axis=1) if self._targets else (rows, rows)
        output, z, z_decoded = self.model.forward(x)
        reconstruction = 0.5 * scale * tf.reduce_sum(tf.square(y - output))
        feature = 0.5 * self.penalty * scale * tf.reduce_sum(tf.square(z - z_decoded))
        return reconstruction, feature

    def _gradient_graph(self, rows: Any, scale: Any) -> tuple[Any, Any, Any]:
        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            reconstruction, feature = self._loss_graph(rows, scale)
            total = reconstruction + feature
        gradients = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.concat([tf.reshape(g, [-1]) for g in gradients], 0), reconstruction, feature
