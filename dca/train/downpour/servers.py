"""The parameter servers as a whole, from the supervisor's side."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from dca.train.downpour.start import Beginning
from dca.train.job import Job
from dca.train.processes.channel import Channel, ChannelClosedError
from dca.train.processes.nursery import Nursery
from dca.train.processes.waited import Waited

_MODULE = "dca.train.downpour.server"
MAX_THREADS = 4  # of one server; more do not speed up what memory bounds
PING_S = 10  # between two questions whether all servers are well
SILENCE_S = 300  # for the answers


class Servers:
    """Starts the servers, talks with all, and notices when one is lost.

    Server 0 tells what happens; its counts are those of the training.

    Parameters
    ----------
    job : Job
    start : Beginning
    nursery : Nursery
    """

    def __init__(self, job: Job, start: Beginning, nursery: Nursery) -> None:
        self._nursery, self._selector = nursery, selectors.DefaultSelector()
        settings = job.settings
        task = {
            "length": start.length,
            "servers": settings.servers,
            "state": start.state.to_json(),
            "optimizer": settings.optimizer,
            "learning_rate": settings.learning_rate,
            "ramp_steps": settings.ramp_steps,
            "compression": settings.compression,
            "threads": max(1, min(MAX_THREADS, job.cores // settings.servers)),
            "limits": {
                "max_updates": settings.max_steps,
                "max_staleness": settings.max_staleness,
                "warmup_steps": start.warmup_steps,
                "warmup_loss": settings.warmup_loss,
            },
        }
        self._channels: list[Channel] = []
        self._children = []
        for server in range(settings.servers):
            here, there = Channel.pair()
            fds = {"supervisor": there.fileno(), "state": start.vector.fd, "snapshot": start.snapshot.fd}
            self._children.append(nursery.start(f"server {server}", _MODULE, fds, task | {"server": server}))
            there.close()
            self._channels.append(here)
            self._selector.register(here, selectors.EVENT_READ, server)
        self._wanted: deque[bool] = deque()  # snapshots asked for: whether each is the final one
        self._missing: set[int] = set()  # servers that still owe the first of them
        self._state: dict[str, Any] = {}
        self._silent: set[int] = set()  # servers that have not answered the last ping
        self._since_ping = Waited()

    def attach(self, server: int, worker: int, fds: Sequence[int]) -> None:
        """Make an agent known to its server."""
        self._channels[server].send({"kind": "attach", "worker": worker}, fds)

    def tell(self, kind: str, **content: Any) -> None:
        """Send a message to all."""
        for channel in self._channels:
            channel.send({"kind": kind, **content})

    def ask_for_snapshot(self, final: bool) -> None:
        """Have all copy their shares; a message ``snapshot`` comes when the last has."""
        self._wanted.append(final)
        if len(self._wanted) == 1:  # They all copy to the same place: one at a time.
            self._ask()

    def _ask(self) -> None:
        self._missing = set(range(len(self._channels)))
        self.tell("snapshot", final=self._wanted[0])

    def listen(self, timeout: float) -> Iterator[dict[str, Any]]:
        """Messages that are there, or come within so many seconds.

        Raises
        ------
        ChannelClosedError
            If a server is lost.
        """
        deadline = time.monotonic() + timeout  # There is more to do, even if messages never cease.
        while events := self._selector.select(timeout):
            for key, _ in events:
                message, _ = self._channels[key.data].receive()
                if message["kind"] == "pong":
                    self._silent.discard(key.data)
                elif message["kind"] != "snapshot" or self._is_whole(key.data, message):
                    yield message
            timeout = 0
            if time.monotonic() >= deadline:
                return

    def _is_whole(self, server: int, message: dict[str, Any]) -> bool:
        """Note that a server has made its part of a snapshot; whether it was the last to do so."""
        self._missing.discard(server)
        if server == 0:
            self._state = message["state"]
        message["state"] = self._state
        return not self._missing

    def taken(self) -> None:
        """Note that the snapshot told of has been read, and its place is free."""
        self._wanted.popleft()
        if self._wanted:
            self._ask()

    def watch(self) -> None:
        """Look after the processes.

        Raises
        ------
        ChannelClosedError
            If one has ended, or stands still for `SILENCE_S`.
        """
        if any(child.status is not None for child in self._children):
            raise ChannelClosedError
        waited = self._since_ping.look()
        if self._silent:
            if waited > SILENCE_S:
                raise ChannelClosedError
        elif waited > PING_S:
            self._since_ping.restart()
            self._silent = set(range(len(self._channels)))
            self.tell("ping")

    def why_lost(self) -> str:
        """Tell which server has ended and how, or does not answer, and end them all."""
        # What closed a channel need not have been noticed as a child's end yet.
        give_up = time.monotonic() + 5
        while all(child.status is None for child in self._children) and time.monotonic() < give_up:
            self._nursery.attend()
            time.sleep(0.01)
        ended = [child for child in self._children if child.status is not None]
        self._nursery.end(self._children)
        if ended:
            return ended[0].reason
        silent = sorted(self._silent | self._missing)
        return f"{self._children[silent[0]].role if silent else 'a server'} does not answer"
