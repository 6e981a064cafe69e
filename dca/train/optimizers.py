"""Optimisers on flat vectors that the caller owns; Adagrad, eq. 6 of the paper, among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

_BLOCK = 131_072  # elements: small enough for a core's caches, large enough for NumPy's calls not to count


class Optimizer(ABC):
    """Updates weights block by block, in several threads.

    The learning rate rises linearly over the first `ramp_steps` updates.

    Parameters
    ----------
    weights : float32 array (P,)
        Changed in place where `apply` is given no other place; any writable buffer, shared memory included.
    state : mapping of float32 array (P,)
        Changed in place; by the names that `new_state` gives.
    learning_rate : float
        The paper's gamma.
    ramp_steps : int
        Updates until the learning rate is reached; 0 for no ramp.
    updates : int
        Updates already applied, when going on from a checkpoint.
    threads : int
        Threads that share the work of an update.

    Attributes
    ----------
    weights : float32 array (P,)
        Where the newest weights are.
    updates : int
        Updates applied so far.
    """

    STATE: ClassVar[dict[str, float]]
    """Names of the vectors beside the weights, and what they are filled with at first."""

    def __init__(
        self,
        weights: Vector,
        state: Mapping[str, Vector],
        learning_rate: float,
        ramp_steps: int,
        updates: int = 0,
        threads: int = 1,
    ) -> None:
        self.weights, self.state = weights, {name: state[name] for name in self.STATE}
        for name, array in {"weights": weights, **self.state}.items():
            if array.dtype != np.float32 or array.ndim != 1 or array.shape != weights.shape:
                raise ValueError(
                    f"{name}: expected float32 of {weights.shape}, received {array.dtype} {array.shape}"
                )
        self.learning_rate, self.ramp_steps = float(learning_rate), int(ramp_steps)
        self.updates = updates
        self._helpers = threads - 1
        self._pool = ThreadPoolExecutor(max(1, self._helpers), "update")  # threads start when they are needed

    @property
    def rate(self) -> float:
        """Learning rate of the next update."""
        if self.updates >= self.ramp_steps:
            return self.learning_rate
        return self.learning_rate * (self.updates + 1) / self.ramp_steps

    def apply(self, gradient: NDArray[Any], out: Vector | None = None) -> None:
        """Apply one gradient, whose `norm` has to be finite.

        Parameters
        ----------
        gradient : float32 array (P,)
            Of the mean loss of a batch; not changed. Also of another type that NumPy can convert.
        out : float32 array (P,), optional
            Gets the new weights, and is `weights` from then on; those before it stay as they were. They are
            changed in place without it.
        """
        if gradient.shape != self.weights.shape:
            raise ValueError(f"expected a gradient of {self.weights.shape}, received {gradient.shape}")
        factors = self._factors()
        new = self.weights if out is None else out
        # Each thread takes the next block when it is done with one: none waits for one with less of a core.
        # (The lock of the interpreter makes that safe.)
        starts = iter(range(0, gradient.size, _BLOCK))
        helped = [
            self._pool.submit(self._blocks, starts, gradient, new, factors) for _ in range(self._helpers)
        ]
        self._blocks(starts, gradient, new, factors)
        for help_ in helped:
            help_.result()
        self.weights = new
        self.updates += 1

    def _blocks(
        self, starts: Iterator[int], gradient: NDArray[Any], new: Vector, factors: tuple[Any, ...]
    ) -> None:
        scratch, converted = np.empty((2, _BLOCK), np.float32)
        for start in starts:
            block = slice(start, start + _BLOCK)
            g, w = gradient[block], self.weights[block]
            if g.dtype != np.float32:
                converted[: w.size] = g
                g = converted[: w.size]
            state = (vector[block] for vector in self.state.values())
            self._block(new[block], w, g, scratch[: w.size], *state, *factors)

    def _factors(self) -> tuple[np.float32, ...]:
        """Numbers that are the same for all parameters in the next update; the rate first."""
        return (np.float32(self.rate),)

    @staticmethod
    @abstractmethod
    def _block(new: Vector, w: Vector, g: Vector, scratch: Vector, *rest: Any) -> None:
        """Update one block, with its state vectors and the factors; without new arrays. `new` may be `w`."""


class SGD(Optimizer):
    r"""Plain gradient descent: :math:`w \leftarrow w - \gamma g`."""

    STATE: ClassVar = {}

    @staticmethod
    def _block(new: Vector, w: Vector, g: Vector, scratch: Vector, rate: np.float32) -> None:
        np.multiply(g, rate, out=scratch)
        np.subtract(w, scratch, out=new)


class Momentum(Optimizer):
    r"""Gradient descent with momentum: :math:`v \leftarrow 0.9\,v - \gamma g, w \leftarrow w + v`."""

    STATE: ClassVar = {"velocity": 0.0}
    MOMENTUM = np.float32(0.9)

    @staticmethod
    def _block(
        new: Vector, w: Vector, g: Vector, scratch: Vector, velocity: Vector, rate: np.float32
    ) -> None:
        velocity *= Momentum.MOMENTUM
        np.multiply(g, rate, out=scratch)
        velocity -= scratch
        np.add(w, velocity, out=new)


class Adagrad(Optimizer):
    r"""Adaptive gradient descent.

    .. math::
        a_i \leftarrow a_i + g_i^2, \qquad w_i \leftarrow w_i - \gamma\, g_i / \sqrt{a_i}

    This is eq. 6 but for two things. Its sum starts at 0, so a first step is
    :math:`\pm\gamma` for every parameter however small its gradient; here it starts at
    0.1, as TensorFlow's own Adagrad does, which the authors used. And the ramp
    is ours: without it the loss leaps in the first twenty steps before it recovers.
    """

    STATE: ClassVar = {"accumulator": 0.1}

    @staticmethod
    def _block(
        new: Vector, w: Vector, g: Vector, scratch: Vector, accumulator: Vector, rate: np.float32
    ) -> None:
        np.multiply(g, g, out=scratch)
        accumulator += scratch
        np.sqrt(accumulator, out=scratch)
        np.divide(g, scratch, out=scratch)
        scratch *= rate
        np.subtract(w, scratch, out=new)


class Adam(Optimizer):
    r"""Adam with :math:`\beta = (0.9, 0.999)` and :math:`\epsilon = 10^{-7}`, as in Keras.

    .. math::
        m \leftarrow m + (1-\beta_1)(g-m), \quad s \leftarrow s + (1-\beta_2)(g^2-s), \quad
        w \leftarrow w - \gamma\,\frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t}\,\frac{m}{\sqrt s+\epsilon}
    """

    STATE: ClassVar = {"first_moment": 0.0, "second_moment": 0.0}
    BETAS = (0.9, 0.999)
    EPSILON = np.float32(1e-7)

    def _factors(self) -> tuple[np.float32, ...]:
        first, second = (1 - beta ** (self.updates + 1) for beta in self.BETAS)
        return (np.float32(self.rate * second**0.5 / first),)

    @staticmethod
    def _block(
        new: Vector, w: Vector, g: Vector, scratch: Vector, m: Vector, s: Vector, rate: np.float32
    ) -> None:
        keep = [np.float32(beta) for beta in Adam.BETAS]
        give = [np.float32(1 - beta) for beta in Adam.BETAS]
        np.multiply(g, give[0], out=scratch)
        m *= keep[0]
        m += scratch
        np.multiply(g, g, out=scratch)
        scratch *= give[1]
        s *= keep[1]
        s += scratch
        np.sqrt(s, out=scratch)
        scratch += Adam.EPSILON
        np.divide(m, scratch, out=scratch)
        scratch *= rate
        np.subtract(w, scratch, out=new)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adagrad": Adagrad, "sgd": SGD, "momentum": Momentum, "adam": Adam,
}  # fmt: skip


def new_state(name: str, size: int) -> dict[str, Vector]:
    """Vectors that an optimiser has beside the weights, at a fresh start; float32 (size,) each."""
    return {key: np.full(size, value, np.float32) for key, value in OPTIMIZERS[name].STATE.items()}


def norm(gradient: Vector) -> float:
    """Euclidean norm of a gradient, float32 (P,); not finite if the gradient must not be applied.

    That is if it has NaN or infinities, and also if the square of a value would be infinite, which
    would freeze a parameter for good in optimisers that add up squares.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = (gradient[start : start + _BLOCK] for start in range(0, gradient.size, _BLOCK))
        return float(sum(float(block @ block) for block in blocks) ** 0.5)


def clip(gradient: Vector, limit: float | None) -> bool:
    """Shorten a gradient, in place, to a norm of `limit` at most; whether it may be applied."""
    length = norm(gradient)
    if limit is not None and limit < length < np.inf:
        gradient *= np.float32(limit / length)
    return bool(np.isfinite(length))
