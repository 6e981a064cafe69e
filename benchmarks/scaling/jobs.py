"""Runs trainings, each in a process of its own, and looks at what they left."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dca.train.job import Job, Outcome
from dca.train.lock import sole_training
from dca.train.run import run_mode
from dca.train.settings import Plan, TrainSettings

from .paced import Paced

LIMIT_S = 600  # of one training


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one training."""
    with tempfile.TemporaryDirectory(prefix="dca-scaling-") as name:
        yield Path(name)


def run(job: Job, cores: Sequence[int] = ()) -> Outcome:
    """Train in a process of its own, on some of the cores."""
    job.folder.mkdir(parents=True, exist_ok=True)
    given, result = job.folder / "job.pickle", job.folder / "outcome.pickle"
    given.write_bytes(pickle.dumps(job))
    command = [sys.executable, "-m", __name__, str(given), str(result), *map(str, cores)]
    with open(job.folder / "log", "wb") as log:
        status = subprocess.run(command, stdout=log, stderr=log, timeout=LIMIT_S).returncode
    if status:
        tail = (job.folder / "log").read_text(errors="replace").splitlines()[-15:]
        raise RuntimeError("a training failed:\n" + "\n".join(tail))
    return pickle.loads(result.read_bytes())


def run_paced(
    stages: tuple[tuple[float, float], ...], settings: TrainSettings
) -> tuple[list[list[list[float]]], Outcome]:
    """Train with emulated compute; the periods of steps by stage and worker, and the outcome."""
    with scratch() as folder:
        workers = 1 if settings.mode == "single" else settings.workers
        source = Paced(folder, workers, stages)
        plan = Plan(1, 10**6, 0)
        outcome = run(Job(source, folder / "job", settings, plan, 0))
        return source.periods(), outcome


def downpour(workers: int, servers: int = 1, **more: object) -> TrainSettings:
    """Settings of an asynchronous training without warm-up, in which nothing else goes on."""
    return TrainSettings(workers=workers, servers=servers, warmup_steps=0, checkpoint_s=1e6, **more)  # type: ignore[arg-type]


class MemoryWatch:
    """Notes the most memory that this process and all below it have, shared pages counted once.

    Attributes
    ----------
    peak_gb : float
        Sum of the proportional set sizes, in GB.
    processes : int
        How many there were then.
    """

    def __init__(self, every_s: float = 1.0) -> None:
        self.peak_gb, self.processes = 0.0, 0
        self._every, self._ended = every_s, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            sizes = [size for pid in _family(os.getpid()) if (size := _pss_kb(pid))]
            if sum(sizes) * 1024 / 1e9 > self.peak_gb:
                self.peak_gb, self.processes = sum(sizes) * 1024 / 1e9, len(sizes)


def _family(ancestor: int) -> set[int]:
    """Find all processes below one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue  # It has just ended.
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _main(given: str, result: str, *cores: str) -> None:
    if cores:
        os.sched_setaffinity(0, map(int, cores))
    job: Job = pickle.loads(Path(given).read_bytes())
    with sole_training(job.folder):
        outcome = run_mode(job)
    Path(result).write_bytes(pickle.dumps(outcome))


if __name__ == "__main__":
    _main(*sys.argv[1:])
