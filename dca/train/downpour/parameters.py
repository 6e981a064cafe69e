"""What a parameter server does with the gradients that arrive, without any communication."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from dca.train.downpour.messages import Push
from dca.train.downpour.state import ServerState
from dca.train.optimizers import Optimizer, Vector

SMOOTHING = 0.9  # of the loss that ends the warm-up: the weight of all earlier ones


class Limits(NamedTuple):
    """When a server stops, lets workers begin, and drops gradients; None: never.

    Attributes
    ----------
    max_updates : int or None
        Updates after which every worker is told to stop.
    max_staleness : int or None
        Gradients from weights that are more updates old than this are dropped.
    warmup_steps : int
        Batches that worker 0 trains alone, before the others get their first weights.
    warmup_loss : float or None
        Smoothed loss of worker 0 at which this ends sooner.
    """

    max_updates: int | None = None
    max_staleness: int | None = None
    warmup_steps: int = 0
    warmup_loss: float | None = None


class ParameterServer:
    """Semantics of a server.

    Parameters
    ----------
    optimizer : Optimizer
        Owns the server's share of the weights.
    state : ServerState
        Zeros with one entry per worker, or that of a checkpoint.
    limits : Limits
    """

    def __init__(self, optimizer: Optimizer, state: ServerState, limits: Limits) -> None:
        self.optimizer, self.state, self.limits = optimizer, state, limits
        self.first_lost = False
        self._loss: float | None = None  # of worker 0, smoothed

    @property
    def complete(self) -> bool:
        """Whether `Limits.max_updates` is reached."""
        return self.limits.max_updates is not None and self.state.updates >= self.limits.max_updates

    def may_start(self, worker: int) -> bool:
        """Whether a worker may fetch its first weights: worker 0 always, the others after the warm-up."""
        first, limits = self.state.workers[0], self.limits
        return (
            worker == 0
            or first.position >= limits.warmup_steps
            or first.done
            or self.first_lost
            or (None not in (self._loss, limits.warmup_loss) and self._loss <= limits.warmup_loss)  # type: ignore[operator]
        )

    def push(
        self, worker: int, push: Push, gradient: NDArray[Any], out: Vector | None = None
    ) -> dict[str, Any] | None:
        """Apply a gradient.

        Parameters
        ----------
        worker : int
        push : Push
        gradient : array (share,)
            Of any float type.
        out : float32 array (share,), optional
            Gets the new weights, if the gradient is applied: see `Optimizer.apply`.

        Returns
        -------
        dict or None
            A row for the history (see `dca.train.history.HISTORY`); None if nothing was applied: no
            gradient, one that is not finite or too old, both of which are counted, or training is
            complete.
        """
        own, row = self.state.workers[worker], None
        if push.batches and not self.complete:
            own.position = int(push.position)
            staleness = self.state.updates - int(push.version)
            if not push.finite:
                own.rejected += 1
            elif self.limits.max_staleness is not None and staleness > self.limits.max_staleness:
                own.dropped += 1
            else:
                rate = self.optimizer.rate
                self.optimizer.apply(gradient, out)
                row = self._count(worker, push, staleness, rate)
        own.done = own.done or bool(push.last)
        return row

    def _count(self, worker: int, push: Push, staleness: int, rate: float) -> dict[str, Any]:
        state, own = self.state, self.state.workers[worker]
        state.updates += 1
        state.staleness[staleness] = state.staleness.get(staleness, 0) + 1
        own.updates += 1
        own.rows += int(push.rows)
        if worker == 0:
            earlier = push.loss if self._loss is None else self._loss
            self._loss = SMOOTHING * earlier + (1 - SMOOTHING) * push.loss
        return {
            "step": state.updates,
            "epoch": int(push.epoch),
            "worker": worker,
            "samples": state.rows,
            "loss": push.loss,
            "reconstruction_loss": push.reconstruction,
            "feature_loss": push.feature,
            "learning_rate": rate,
            "staleness": staleness,
            "stall": round(push.stall, 4),
        }
