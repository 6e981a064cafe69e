"""The training of the autoencoder on shards, as the modes know it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.model.architecture import Architecture
from dca.train.data import RowStream
from dca.train.job import Job
from dca.train.losses import Losses
from dca.train.position import Position
from dca.train.split import TrainingData
from dca.train.workload import KerasWorkload

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Autoencoding:
    """See `dca.train.workload.Source`.

    Attributes
    ----------
    data : TrainingData
    architecture : Architecture
    """

    data: TrainingData
    architecture: Architecture

    @property
    def identity(self) -> Any:
        """Of network and data."""
        return [asdict(self.architecture), self.data.hash]

    def __call__(self, job: Job) -> AutoencoderWorkload:
        """Make the network."""
        return AutoencoderWorkload(self.data, self.architecture, job)


class AutoencoderWorkload(KerasWorkload):
    """See `dca.train.workload.Workload`.

    Parameters
    ----------
    data : TrainingData
    architecture : Architecture
    job : Job

    Attributes
    ----------
    model : Autoencoder
    step : GradientStep
    length : int
        P.
    """

    def __init__(self, data: TrainingData, architecture: Architecture, job: Job) -> None:
        # Only now: to describe a job must not import TensorFlow.
        from dca.model.autoencoder import build
        from dca.train.flat import n_parameters
        from dca.train.step import GradientStep

        self._data, self._job = data, job
        self.model = build(architecture, job.seed)
        self.step = GradientStep(self.model, architecture.penalty, targets=data.targets)
        self.length = n_parameters(self.model)

    def gradient(self, batch: Vector, out: Vector | None = None) -> tuple[Vector, Losses]:
        """See `Workload`; the batch is float32 (B, T), or (B, 2T) with targets."""
        return self.step(batch, out)

    def warm_up(self) -> None:
        """Make the graph of the gradient."""
        self.step(np.zeros((1, self.step.width), np.float32))

    def stream(self, position: Position, worker: int, part: int = 0, parts: int = 1) -> RowStream:
        """See `Workload`."""
        agenda = position.share(worker, self._data.agenda)
        return RowStream(
            [own.path for own in self._data.train], agenda, position.batch_size, self._job.settings.epochs,
            (self._job.seed, worker), self._data.length, position.batches[worker], part, parts,
            [own.target for own in self._data.train],
        )  # fmt: skip

    def validate(self) -> Losses | None:
        """See `Workload`."""
        from dca.train.validate import validation_loss

        return validation_loss(self.step, self._data.validation)
