"""Ways for a Horovod world of one worker and S agents to carry a gradient there and weights back.

``python benchmarks/transport.py`` prints steps/s for every way, in turns; docs/downpour.md
has a table of it. Nothing is computed; what arrives is copied into place, as agents do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dca.train.downpour.layout import shares
from dca.train.processes.world import Outbox, Rendezvous, World

P = 6_020_381
WAYS = [("broadcast", 1), ("all-to-all", 1), ("all-to-all", 2), ("process sets", 2)]


class Broadcasts:
    """One broadcast per direction and server, with several in a process set each."""

    def __init__(self, rank: int, sizes: list[int]) -> None:
        import horovod.tensorflow as hvd
        import tensorflow as tf

        several = len(sizes) > 1
        sets = [hvd.ProcessSet([0, server + 1]) for server in range(len(sizes))] if several else []
        hvd.init(process_sets=sets or None)
        self._hvd, self._rank = hvd, rank
        self._sets = sets or [hvd.global_process_set]
        self._mine = range(len(sizes)) if rank == 0 else [rank - 1]
        self._out = {s: Outbox.create([sizes[s]]).tensor for s in self._mine}
        self._blank = {s: tf.zeros([sizes[s]]) for s in self._mine}
        self._in = {s: np.zeros(sizes[s], np.float32) for s in self._mine}
        self._pool = ThreadPoolExecutor(len(sizes))

    def send(self, name: str) -> None:
        """Send every message of this rank."""
        list(self._pool.map(lambda s: self._one(name, s, self._rank, self._out[s]), self._mine))

    def receive(self, name: str) -> None:
        """Receive every message to this rank, into place."""

        def take(s: int) -> None:
            root = s + 1 if self._rank == 0 else 0
            np.copyto(self._in[s], self._one(name, s, root, self._blank[s]).numpy())

        list(self._pool.map(take, self._mine))

    def _one(self, name: str, server: int, root: int, tensor: object) -> object:
        members = self._sets[server]
        return self._hvd.broadcast(tensor, root, name=f"{name}{server}", process_set=members)


class AllToAll:
    """What `dca.train.processes.world.World` does with several servers, also with one."""

    def __init__(self, rank: int, sizes: list[int]) -> None:
        self._world = World(len(sizes), "transport")
        self._world._pair = False
        parts = [0, *sizes] if rank == 0 else [sizes[rank - 1]] + [0] * len(sizes)
        self._out, self._in = Outbox.create(parts), np.zeros(sum(parts), np.float32)

    def send(self, name: str) -> None:
        """Send every message of this rank."""
        self._world.send(name, self._out)

    def receive(self, name: str) -> None:
        """Receive every message to this rank, into place."""
        np.copyto(self._in, self._world.receive(name, self._in.size))


def member(way: str, servers: int, steps: int) -> None:
    """Play one process of a world; the worker prints its rate."""
    rank = int(os.environ["HOROVOD_RANK"])
    sizes = [share.stop - share.start for share in shares(P, servers)]
    carrier = (AllToAll if way == "all-to-all" else Broadcasts)(rank, sizes)
    begin = 0.0
    for step in range(steps + 5):
        if step == 5:
            begin = time.perf_counter()
        for name, sender in (("push", rank == 0), ("pull", rank != 0)):
            (carrier.send if sender else carrier.receive)(name)
    if rank == 0:
        print(steps / (time.perf_counter() - begin))
    sys.stdout.flush()
    os._exit(0)  # all have received everything; Horovod's shutdown would take a second


def measure(way: str, servers: int, workers: int, steps: int) -> list[float]:
    """Steps per second of each worker."""
    me = [sys.executable, __file__, "--member", way, str(servers), "--steps", str(steps)]
    meetings = [Rendezvous(servers + 1) for _ in range(workers)]
    processes = [
        subprocess.Popen(
            me, env={**os.environ, **meeting.environment(rank, 60)}, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )
        for meeting in meetings
        for rank in range(servers + 1)
    ]  # fmt: skip
    rates = [float(text) for process in processes if (text := process.communicate(timeout=300)[0].strip())]
    for meeting in meetings:
        meeting.close()
    return rates


def main() -> None:
    """Measure all ways in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, help="rounds (3)")
    parser.add_argument("--steps", type=int, default=60, help="exchanges of each worker in a round (60)")
    parser.add_argument("--member", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.member:
        member(arguments.member[0], int(arguments.member[1]), arguments.steps)
    rates: dict[tuple[str, int, int], list[float]] = {}
    for _ in range(arguments.repeat):
        for way, servers in WAYS:
            for workers in (1, 2):
                found = measure(way, servers, workers, arguments.steps)
                rates.setdefault((way, servers, workers), []).append(statistics.mean(found))
    print("way\tservers\tworkers\tmin\tmedian\tmax")
    for key, values in rates.items():
        print(*key, *(f"{f(values):.1f}" for f in (min, statistics.median, max)), sep="\t")


if __name__ == "__main__":
    main()
