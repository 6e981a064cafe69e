"""The training of any Keras model, given by a few functions, as the modes know it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.errors import ConfigError, TrainingError
from dca.train.ahead import read_ahead
from dca.train.job import Job
from dca.train.losses import Losses
from dca.train.position import Position
from dca.train.workload import KerasWorkload

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Custom:
    """See `dca.train.workload.Source`, and `dca.train.distribute` for what the functions are.

    Attributes
    ----------
    build, loss, batches, validate : callable
    steps_per_epoch : int or None
    """

    build: Callable[[], Any]
    loss: Callable[[Any, Any], Any]
    batches: Callable[[int, int], Iterable[Any]]
    validate: Callable[[Any], float] | None = None
    steps_per_epoch: int | None = None

    @property
    def identity(self) -> str:
        """Functions cannot be compared: all that is known is that it was one of these."""
        return "custom"

    def __call__(self, job: Job) -> CustomWorkload:
        """Make the model."""
        return CustomWorkload(self, job)

    def steps(self, worker: int, workers: int) -> int:
        """Count the batches of a worker in an epoch.

        Raises
        ------
        ConfigError
            If there is no telling.
        """
        if self.steps_per_epoch is not None:
            return self.steps_per_epoch
        try:
            return len(self.batches(worker, workers))  # type: ignore[arg-type]
        except TypeError:
            raise ConfigError(
                "batches", "gives something without a length", "give steps_per_epoch too"
            ) from None

    # Functions of a script or a notebook are not to be found by the name of their module in another
    # process: they travel as what they are, and other modules with the places to look for them.

    def __getstate__(self) -> tuple[list[str], bytes]:
        import cloudpickle

        return sys.path, cloudpickle.dumps(vars(self))

    def __setstate__(self, state: tuple[list[str], bytes]) -> None:
        import cloudpickle

        path, content = state
        sys.path.extend(entry for entry in path if entry not in sys.path)
        vars(self).update(cloudpickle.loads(content))


@dataclass(frozen=True)
class _Batch:
    """Whatever a user's function gave, with its number of rows."""

    content: Any
    rows: int

    def __len__(self) -> int:
        return self.rows


def _count_rows(content: Any) -> int:
    from dca.model.backend import tf

    parts = tf.nest.flatten(content)
    try:
        rows = len(parts[0])
    except (IndexError, TypeError):
        rows = 0
    if rows == 0:
        raise TrainingError(
            "batches", "gave a batch without rows", "give arrays with one row or more along their first axis"
        )
    return rows


class CustomStream:
    """See `dca.train.workload.Stream`.

    Parameters
    ----------
    source : Custom
    worker, workers : int
    start : int
        Batches to skip: they are made, but not used.
    steps_per_epoch, epochs : int
    given : int
        Batches in an epoch that the worker has; it is filled up with empty ones, so that others which
        go in step with it and have more need not wait in vain.
    """

    def __init__(
        self, source: Custom, worker: int, workers: int, start: int, steps_per_epoch: int, epochs: int,
        given: int,
    ) -> None:  # fmt: skip
        self._source, self._number = source, (worker, workers)
        self._start, self._epochs, self._given = start, epochs, given
        self.steps_per_epoch, self.steps = steps_per_epoch, steps_per_epoch * epochs
        self._items: Iterator[tuple[int, _Batch]] = read_ahead(self._all())

    def __iter__(self) -> Iterator[tuple[int, _Batch]]:
        return self._items

    def first(self) -> _Batch | None:
        """Give the first batch, which also comes again."""
        item = next(self._items, None)
        if item is None:
            return None
        self._items = chain([item], self._items)
        return item[1]

    def _all(self) -> Generator[tuple[int, _Batch], None, None]:
        epoch, skip = divmod(self._start, self.steps_per_epoch) if self.steps else (self._epochs, 0)
        for number in range(epoch, self._epochs):
            done = skip
            for content in islice(self._source.batches(*self._number), skip, self._given):
                done += 1
                yield number, _Batch(content, _count_rows(content))
            if done < self._given:  # Places in the data are numbers of batches.
                problem = f"gave worker {self._number[0]} fewer than {self._given} batches in epoch {number}"
                raise TrainingError(
                    "batches", problem,
                    "let each call give as many, and steps_per_epoch be their number",
                )  # fmt: skip
            yield from ((number, _Batch(None, 0)) for _ in range(done, self.steps_per_epoch))
            skip = 0

    def epochs_done(self, batches: int) -> int:
        """See `Stream`."""
        return batches // self.steps_per_epoch if self.steps else self._epochs

    def left(self) -> None:
        """Nobody can tell."""
        return None


class CustomWorkload(KerasWorkload):
    """See `dca.train.workload.Workload`.

    Attributes
    ----------
    model : keras.Model
    length : int
        P, of what is trainable.
    """

    def __init__(self, source: Custom, job: Job) -> None:
        from dca.model.backend import keras, tf
        from dca.train.flat import n_parameters

        self._source, self._job = source, job
        self._stream: CustomStream | None = None
        keras.utils.set_random_seed(job.seed)
        self.model = source.build()
        self.length = n_parameters(self.model)
        _check(self.model)
        self._gradient = tf.function(self._graph, autograph=False, reduce_retracing=True)

    def gradient(self, batch: _Batch, out: Vector | None = None) -> tuple[Vector, Losses]:  # noqa: ARG002
        """See `Workload`."""
        flat, loss = self._gradient(batch.content)
        return flat.numpy(), Losses(float(loss), np.nan, np.nan)

    def _graph(self, content: Any) -> tuple[Any, Any]:
        from dca.model.backend import tf

        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = tf.convert_to_tensor(self._source.loss(self.model, content))
        if loss.shape.rank:
            raise ConfigError("loss", f"gives a tensor of shape {loss.shape}", "give the mean, a scalar")
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        flat = [tf.reshape(tf.convert_to_tensor(own), [-1]) for own in gradients]
        return tf.concat(flat, 0), loss

    def warm_up(self) -> None:
        """Make the graph of the gradient, with the first batch of the stream."""
        batch = None if self._stream is None else self._stream.first()
        if batch is not None:
            self.gradient(batch)

    def stream(self, position: Position, worker: int, part: int = 0, parts: int = 1) -> CustomStream:
        """See `Workload`; a part of a batch is a batch of that one of so many more workers.

        From here on this process draws random numbers as that worker.
        """
        own, workers = worker * parts + part, len(position.batches) * parts
        self._seed(own, position.batches[worker])
        members = range(worker * parts, (worker + 1) * parts)
        steps = [self._source.steps(member, workers) for member in members]
        stream = CustomStream(
            self._source, own, workers, position.batches[worker], max(steps), self._job.settings.epochs,
            steps[part],
        )  # fmt: skip
        self._stream = stream
        return stream

    def _seed(self, worker: int, batches: int) -> None:
        """Begin other random numbers for each worker, and for each place in its data that one goes on from.

        The weights are made by then, with random numbers that are the same for all.
        """
        from dca.model.backend import keras

        random = np.random.default_rng([self._job.seed, worker, batches])
        keras.utils.set_random_seed(int(random.integers(2**32)))
        for variable in self.model.variables:
            if variable.name == "seed_generator_state":  # A layer's own, such as that of dropout.
                variable.assign([int(random.integers(2**31)), 0])

    def validate(self) -> Losses | None:
        """See `Workload`."""
        if self._source.validate is None:
            return None
        return Losses(float(self._source.validate(self.model)), np.nan, np.nan)


def _check(model: Any) -> None:
    """Check that what is to be trained is there, and can travel."""
    kinds = {str(variable.dtype) for variable in model.trainable_variables}
    if not kinds:
        raise ConfigError(
            "build", "gives a model without trainable variables",
            "give it an input shape, or call its `build`, and leave something trainable",
        )  # fmt: skip
    if kinds != {"float32"}:
        raise ConfigError(
            "build", f"gives a model with variables of {', '.join(sorted(kinds))}", "make all of them float32"
        )
