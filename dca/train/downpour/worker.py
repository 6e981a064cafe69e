"""The worker: fetches weights, computes gradients on its own rows, pushes them. Waits for nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dca.model.backend import claim_gpu, set_threads
from dca.train.downpour.exchange import Exchange
from dca.train.downpour.wire import Wire
from dca.train.job import Job
from dca.train.losses import Losses
from dca.train.processes.process import Assignment
from dca.train.processes.world import World

Item = TypeVar("Item")
Vector = NDArray[np.float32]


def mark_last(items: Iterable[Item]) -> Iterator[tuple[Item, bool]]:
    """Every item with whether it is the last one."""
    iterator = iter(items)
    try:
        item = next(iterator)
    except StopIteration:
        return
    for following in iterator:
        yield item, False
        item = following
    yield item, True


def work(
    exchange: Exchange,
    gradient: Callable[[Any, Vector | None], tuple[Vector, Losses]],
    batches: Iterable[tuple[int, Any]],
) -> None:
    """Go through batches, as (epoch, rows), until they or the training are at their end.

    The servers hear of the end in the last push, which is empty if there was no batch.
    """
    stop = exchange.begin()
    if not stop:
        for (epoch, batch), last in mark_last(batches):
            begin = time.time()
            exchange.add(epoch, *gradient(batch, exchange.room), len(batch), begin)
            if last:
                break
            if stop := exchange.turn():
                break
    exchange.end()


def main(assignment: Assignment) -> None:
    """Work through this worker's rows."""
    task = assignment.task
    job: Job = assignment.load("job")
    set_threads(task["threads"])
    claim_gpu(task["gpu"])
    workload = job.workload(job)
    settings, position = job.settings, task["position"]
    stream = workload.stream(assignment.load("position").moved(task["worker"], position), task["worker"])
    # Before the first fetch, or its weights would be stale by then.
    workload.warm_up()
    world = World(settings.servers, task["seal"])
    wire = Wire(world, workload.length, settings.servers, settings.compression)
    exchange = Exchange(wire, workload.load, settings, position)
    work(exchange, workload.gradient, stream)
    world.close()
