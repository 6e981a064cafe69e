"""Part 3: real compute, each worker on a core of its own, against one process on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dca.files import read_tsv
from dca.model import Architecture
from dca.train.autoencoding import AutoencoderWorkload, Autoencoding
from dca.train.data import RowStream
from dca.train.job import Job
from dca.train.losses import Losses
from dca.train.position import Position
from dca.train.settings import TrainSettings
from dca.train.split import TrainingData

from .data import simulate
from .jobs import downpour, run, scratch
from .rows import Results, in_turns, ratio

BATCH = 256
MEET_S = 120  # for all workers to begin
COLUMNS = {
    "mode": "Mode of training",
    "workers": "Workers, each on one core; servers and agents go where there is room",
    "overlap": "Whether an exchange goes on beside the next step",
    "batch": "Rows per step of a worker",
    "speedup": "Median over turns of the ratio to mode single in the same turn",
}


@dataclass(frozen=True)
class Pinned(Autoencoding):
    """The training of the autoencoder, with every worker kept on one core; all begin together."""

    cores: tuple[int, ...] = (0,)

    def __call__(self, job: Job) -> PinnedWorkload:
        """Make the network."""
        return PinnedWorkload(self.data, self.architecture, job, self.cores)


class PinnedWorkload(AutoencoderWorkload):
    """See `dca.train.workload.Workload`."""

    def __init__(
        self, data: TrainingData, architecture: Architecture, job: Job, cores: tuple[int, ...]
    ) -> None:
        super().__init__(data, architecture, job)
        self._cores, self._worker, self._begun = cores, 0, False

    def stream(self, position: Position, worker: int, part: int = 0, parts: int = 1) -> RowStream:
        """See `Workload`; remembers whose it is."""
        self._worker = worker
        return super().stream(position, worker, part, parts)

    def warm_up(self) -> None:
        """Go to the worker's core, with all threads there are; then as always."""
        core = self._cores[self._worker % len(self._cores)]
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
        super().warm_up()

    def gradient(self, batch: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, Losses]:
        """See `Workload`; the first waits for the other workers."""
        if not self._begun:
            self._meet()
        return super().gradient(batch, out)

    def _meet(self) -> None:
        self._begun = True
        workers = 1 if self._job.settings.mode == "single" else self._job.settings.workers
        (self._job.folder / f"at-work-{os.getpid()}").touch()
        give_up = time.monotonic() + MEET_S
        while len(list(self._job.folder.glob("at-work-*"))) < workers:
            if time.monotonic() > give_up:
                raise RuntimeError(f"not all of {workers} workers have begun")
            time.sleep(0.01)


def measure(results: Results) -> None:
    """Series per second of all workers together, start-up left out."""
    cores = tuple(sorted(os.sched_getaffinity(0)))[:2]
    steps, repeats = (10, 1) if results.quick else (6, 3)
    batch = 64 if results.quick else BATCH
    common = {"batch_size": batch, "checkpoint_s": 1e6}

    def speed(settings: TrainSettings) -> float:
        with scratch() as folder:
            workers = 1 if settings.mode == "single" else settings.workers
            data = simulate(folder, workers * steps * batch, 16, 284, 0)
            source = Pinned(data, Architecture.from_config({}, 284), cores)
            job = Job(source, folder / "job", settings, settings.resolve(data.rows), 0, workers)
            run(job, cores[:1] if settings.mode == "single" else ())
            return steady(folder / "job" / "timeline.tsv", workers, batch)

    setups = {
        ("single", 1, False): TrainSettings(mode="single", **common),
        **{
            ("downpour", 2, overlap): downpour(2, overlap=overlap, batch_size=batch)
            for overlap in (False, True)
        },
    }
    found = in_turns({key: partial(speed, settings) for key, settings in setups.items()}, repeats)
    single = found["single", 1, False]
    rows = [
        results.row(values, mode=mode, workers=workers, overlap=overlap, batch=batch)
        | {"speedup": ratio(values, single)}
        for (mode, workers, overlap), values in found.items()
    ]
    results.write("real", rows, COLUMNS)


def steady(timeline: Path, workers: int, batch: int) -> float:
    """Rows per second from the beginning of steps, while all workers were at work."""
    table = read_tsv(timeline)
    table = table[table["phase"] == "compute"]
    starts = [sorted(table[table["worker"] == worker]["start_s"]) for worker in range(workers)]
    return batch * joint_rate(starts)


def joint_rate(starts: Iterable[list[float]]) -> float:
    """Steps per second of all, from when the last has begun its second step until the first ends."""
    starts = list(starts)
    first, last = max(own[1] for own in starts), min(own[-1] for own in starts)
    total = 0.0
    for own in starts:
        inside = [start for start in own if first <= start <= last]
        if len(inside) < 2:
            raise RuntimeError("the workers were not at work at the same time for long enough")
        total += (len(inside) - 1) / (inside[-1] - inside[0])
    return total
