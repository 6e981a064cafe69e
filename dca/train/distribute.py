"""Asynchronous training of any Keras model, in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pandas as pd

from dca.errors import ConfigError
from dca.files import read_tsv
from dca.train.checkpoint import Checkpoints
from dca.train.custom import Custom
from dca.train.job import Job
from dca.train.lock import sole_training
from dca.train.run import run_mode
from dca.train.settings import TrainSettings


class Trained(NamedTuple):
    """What `distribute` gives."""

    model: Any
    """The Keras model."""
    history: pd.DataFrame
    """A row per update, and per validation; see `dca.train.history.HISTORY`."""


def distribute(
    build: Callable[[], Any],
    loss: Callable[[Any, Any], Any],
    batches: Callable[[int, int], Iterable[Any]],
    *,
    validate: Callable[[Any], float] | None = None,
    steps_per_epoch: int | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    **settings: Any,
) -> Trained:
    """Train a Keras model by Downpour SGD, in processes of their own on this machine.

    The functions run in other processes, several times each, and travel there as they are, with all
    that they refer to; so they may be those of a script or a notebook, but what they refer to should
    be no TensorFlow tensor or model.

    Parameters
    ----------
    build : callable
        ``build()`` gives a Keras model that has its variables.
    loss : callable
        ``loss(model, batch)`` gives the mean loss over the rows of a batch, a scalar tensor. It is made
        into a graph.
    batches : callable
        ``batches(worker, workers)`` gives one epoch of batches for one of so many workers: arrays with
        the rows along their first axis, or nested tuples or dicts of such arrays. It is called anew for
        each epoch.
    validate : callable, optional
        ``validate(model)`` gives a loss, which is recorded at the beginning and after each epoch.
    steps_per_epoch : int, optional
        Batches of one worker in an epoch, if what `batches` gives has no ``len``.
    folder : path, optional
        For history.tsv, timeline.tsv and checkpoints. A training that was interrupted goes on from
        there when called again; with another `mode` or number of workers it keeps what it has learned,
        but counts its epochs anew, as nobody can tell which batches are left. Give another folder if the
        functions change: that is not noticed, but for another number of parameters. Without a folder
        nothing is kept.
    seed : int
        Of the initial weights, set before ``build()``. Random numbers after it, as of dropout, come from the
        seed, the worker, and how many batches are behind it when it begins or goes on.
    threads : int, optional
        Cores for all processes together; all there are by default.
    **settings
        As in the section ``train`` of config.yaml: `workers`, `servers`, `epochs`, `max_steps`,
        `learning_rate`, `n_push`, `n_fetch`, `mode` and so on, with the same defaults, but `ramp_steps`
        is 0. With `mode="sync"` each update is of the batches of all workers.

    Returns
    -------
    Trained
        Model and history.

    Raises
    ------
    ConfigError
        If a setting is unknown or out of range, or what a function gives is not as said above.
    DependencyError
        If Horovod is not installed, and `mode` is not ``single``.
    TrainingError
        If the training cannot go on.

    Notes
    -----
    A lost worker of ``downpour`` is replaced three times at most. Then the others go on without its batches:
    nobody can tell which are left, so they are not dealt out anew.

    What is not trainable, such as the averages of a batch normalisation, is not exchanged: each process
    has its own, and the model that is returned has none.
    """
    if "batch_size" in settings:
        raise ConfigError("batch_size", "is for shards", "choose it in `batches`")
    if steps_per_epoch is not None and not (isinstance(steps_per_epoch, int) and steps_per_epoch >= 1):
        raise ConfigError("steps_per_epoch", f"is {steps_per_epoch!r}", "use a whole number, 1 or more")
    chosen = TrainSettings.from_config({"ramp_steps": 0, **settings, "batch_size": 1})
    source = Custom(build, loss, batches, validate, steps_per_epoch)
    workers = 1 if chosen.mode == "single" else chosen.workers
    if not any(source.steps(worker, workers) for worker in range(workers)):
        raise ConfigError("batches", "gives no batch to any worker", "give one or more")
    plan = chosen.resolve(workers * source.steps(0, workers))
    with ExitStack() as stack:
        if folder is None:
            folder = stack.enter_context(TemporaryDirectory(prefix="dca-"))
        job = Job(source, Path(folder), chosen, plan, seed, threads)
        stack.enter_context(sole_training(folder))
        outcome = run_mode(job)
        # Only now: this process needs no model, and no GPU, while others train.
        workload = source(job)
        workload.load(outcome.weights)
        Checkpoints(job.folder, job.fingerprint).remove()
        return Trained(workload.model, read_tsv(job.folder / "history.tsv"))
