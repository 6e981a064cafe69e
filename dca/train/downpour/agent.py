"""The agent: a server's member in a worker's world. It carries, and decides nothing."""

from __future__ import annotations

import numpy as np

from dca.train.downpour.messages import Parcel, Push, turns
from dca.train.processes.channel import Channel
from dca.train.processes.process import Assignment
from dca.train.processes.shared import SharedVector
from dca.train.processes.world import Outbox, World


def main(assignment: Assignment) -> None:
    """Carry gradients to the server and weights back, until the worker's last push."""
    task, fds = assignment.task, assignment.fds
    server = Channel(fds["server"])
    pushed = SharedVector(fds["pushed"], task["push_size"]).array
    pulled = SharedVector(fds["pulled"], task["pull_size"]).array
    push = Parcel(Push, pushed, 0)
    world = World(task["servers"], task["seal"])
    outbox = Outbox(pulled, [pulled.size] + [0] * task["servers"])
    server.send({"kind": "join"})
    if task["server"] == 0:
        server.call({"kind": "start"})
    world.gate()  # It opens when server 0 lets this worker begin.

    server.call({"kind": "fetch"})
    world.send("pull", outbox)
    for pushes, fetches in turns(task["n_push"], task["n_fetch"]):
        if pushes:
            # Whole in its place before the server hears of it: a death here loses it, and tears nothing.
            np.copyto(pushed, world.receive("push", pushed.size))
            last = bool(push.header.last)
            server.call({"kind": "push", "fetch": fetches and not last})
            if last:
                break
        elif fetches:
            server.call({"kind": "fetch"})
        if fetches:
            world.send("pull", outbox)
    world.close()
