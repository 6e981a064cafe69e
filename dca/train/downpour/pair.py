"""A worker and its agents: started together, lost together, replaced together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from dca.errors import DCAError
from dca.train.downpour.layout import COMPRESSIONS, shares
from dca.train.downpour.messages import Parcel, Pull, Push
from dca.train.processes.channel import Channel
from dca.train.processes.nursery import Child, Nursery
from dca.train.processes.process import BEREFT
from dca.train.processes.shared import SharedVector
from dca.train.processes.starters import Process, Starter
from dca.train.processes.waited import Waited
from dca.train.processes.world import WORKER, Rendezvous

START_UP_S = 300  # for these processes to start and meet, on a crowded machine
STALL_S = 1800  # without a push, once it has started
LEAVE_S = 15  # to end after the last push
AUTOPSY_S = 2  # for the end of a process to be noticed

Attach = Callable[[int, int, Sequence[int]], None]


class Pair:
    """A running pair.

    Parameters
    ----------
    worker : int
        Number of the worker.
    task : dict
        What both processes are told.
    job_fds : dict
        Descriptors for the worker: the job and the position, pickled.
    nursery : Nursery
        Of the agents.
    starter : Starter
        Of the worker.
    attach : callable
        Hands a server three descriptors of a worker: channel, pushed and pulled message.

    Attributes
    ----------
    phase : str
        ``start-up``, ``wait`` (for the warm-up), ``train`` or ``leave``.
    since : float
        When the phase began, or the last push was, in seconds since 1970.
    """

    def __init__(
        self, worker: int, task: dict[str, Any], job_fds: dict[str, int], nursery: Nursery, starter: Starter,
        attach: Attach,
    ) -> None:  # fmt: skip
        self.worker, self._nursery, self._starter = worker, nursery, starter
        self.phase, self.since, self._waited = "start-up", time.time(), Waited()
        servers = task["servers"]
        interface = starter.site.interface
        self._rendezvous = Rendezvous(servers + 1, interface.name, interface.address)
        self._agents = [
            self._start_agent(server, share.stop - share.start, task, attach)
            for server, share in enumerate(shares(task["length"], servers))
        ]
        environment = self._rendezvous.environment(WORKER, START_UP_S)
        self._own = starter.start(worker, "dca.train.downpour.worker", job_fds, task, environment)
        self._processes: list[Process] = [*self._agents, self._own]

    def _start_agent(self, server: int, length: int, task: dict[str, Any], attach: Attach) -> Child:
        sizes = {
            "push_size": Parcel.size(Push, length, COMPRESSIONS[task["compression"]]),
            "pull_size": Parcel.size(Pull, length),
        }
        here, there = Channel.pair()
        vectors = [SharedVector.create(f"{name}-{self.worker}", size) for name, size in sizes.items()]
        try:
            attach(server, self.worker, [here.fileno(), *(vector.fd for vector in vectors)])
            return self._nursery.start(
                f"agent {self.worker}.{server}",
                "dca.train.downpour.agent",
                {"server": there.fileno(), "pushed": vectors[0].fd, "pulled": vectors[1].fd},
                task | sizes | {"server": server},
                # An agent only carries: it needs no GPU and no threads of its own.
                self._rendezvous.environment(server + 1, START_UP_S)
                | {"CUDA_VISIBLE_DEVICES": "-1", "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1",
                   "TF_NUM_INTEROP_THREADS": "1"},
            )  # fmt: skip
        finally:
            # Only the server and the agent hold them now, so that each sees the other's end.
            here.close()
            there.close()
            for vector in vectors:
                vector.close()

    def enter(self, phase: str) -> None:
        """Note that a phase begins."""
        self.phase, self.since = phase, time.time()
        self._waited.restart()

    def failure(self) -> str | None:
        """Why this pair has to be given up, if it has."""
        ended = [process for process in self._processes if process.status]
        if ended:
            return min(ended, key=_is_bereft).reason
        waited = self._waited.look()
        limits = {"start-up": START_UP_S, "train": STALL_S, "leave": LEAVE_S}
        if waited > limits.get(self.phase, float("inf")):
            return f"worker {self.worker} made no progress for {waited:.0f} s in phase {self.phase}"
        return None

    def autopsy(self) -> str | None:
        """Wait until it is known which process is to blame for the end of this pair, and why it ended.

        Raises
        ------
        DCAError
            What a process found wrong that the user has to mend.
        """
        give_up = time.monotonic() + AUTOPSY_S
        while not self.error and time.monotonic() < give_up:
            if any(process.status and not _is_bereft(process) for process in self._processes):
                break
            time.sleep(0.01)
            self._nursery.attend()
        if self.error is not None:
            raise self.error
        return self.failure()

    @property
    def gone(self) -> bool:
        """Whether all its processes have ended."""
        return all(process.status is not None for process in self._processes)

    @property
    def error(self) -> DCAError | None:
        """An error for the user that one of them ended with."""
        return next((process.error for process in self._processes if process.error), None)

    def close(self) -> None:
        """End its processes, at once, and free what they used."""
        self._starter.end(self._own)
        self._nursery.end(self._agents)
        self._rendezvous.close()


def _is_bereft(process: Process) -> bool:
    """Whether a process ended only because another had."""
    return process.status == BEREFT
