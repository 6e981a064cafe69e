"""The process of a parameter server: the only one that writes its share of the weights."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from dca.train.downpour.layout import COMPRESSIONS, shares
from dca.train.downpour.messages import Parcel, Pull, Push
from dca.train.downpour.parameters import Limits, ParameterServer
from dca.train.downpour.state import ServerState
from dca.train.optimizers import OPTIMIZERS, Vector
from dca.train.processes.channel import Channel, ChannelClosedError
from dca.train.processes.process import Assignment
from dca.train.processes.shared import SharedVector


class _Agent:
    """The server's side of one agent: its channel and its two messages."""

    def __init__(self, worker: int, fds: list[int], length: int, dtype: Any) -> None:
        self.worker = worker
        self.channel = Channel(fds[0])
        self._vectors = (
            SharedVector(fds[1], Parcel.size(Push, length, dtype)),
            SharedVector(fds[2], Parcel.size(Pull, length)),
        )
        self.pushed = Parcel(Push, self._vectors[0].array, length, dtype)
        self.pulled = Parcel(Pull, self._vectors[1].array, length)

    def close(self) -> None:
        self.channel.close()
        for vector in self._vectors:
            vector.close()


class Service:
    """Serves agents and the supervisor, one message at a time.

    Messages of the supervisor: ``attach`` (an agent of `worker`, with three descriptors), ``snapshot``
    (copy weights and the optimiser's vectors for a checkpoint), ``first_lost`` (end the warm-up),
    ``deal`` (the rows that are left were dealt out anew, while no worker was there), ``ping`` (answered
    by ``pong``), ``exit``. To the supervisor: ``pong``, ``snapshot``, and from server 0, whose counts
    are those of the training: ``joined``, ``started``, ``update``, ``refused``, ``detached``.
    Of agents: ``join``, ``start``, ``push``, ``fetch``; each but the first is answered once.

    A message is handled whole before the next, so a copy of the weights is always one version, and
    a fetch that follows a push contains it. Nothing is locked: an agent that dies leaves a closed channel.

    A push that is to be answered with the new weights has them written to where that answer is sent from,
    in place of a copy: they are *the* weights from then on. An agent only reads them there, and sends them
    before its worker can push again, so nothing is written that another still sends. Without an answer
    they are written to the server's own place.

    Parameters
    ----------
    server : ParameterServer
    supervisor : Channel
    copies : sequence of float32 array (share,)
        Where a snapshot goes: of the weights, then of the optimiser's vectors in their order.
    first : bool
        Whether this is server 0.
    dtype : dtype
        Of the gradients that arrive.
    """

    def __init__(
        self, server: ParameterServer, supervisor: Channel, copies: Sequence[Vector], first: bool = True,
        dtype: Any = np.float32,
    ) -> None:  # fmt: skip
        self._server, self._supervisor, self._copies = server, supervisor, copies
        self._first, self._dtype = first, dtype
        self._own = server.optimizer.weights
        self._waiting: list[_Agent] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(supervisor, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Serve until told to exit, or until the supervisor is gone."""
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.data is None:
                        if not self._obey():
                            return
                    else:
                        self._serve(key.data)
        except ChannelClosedError:
            return

    def _tell(self, kind: str, **content: Any) -> None:
        if self._first:
            self._supervisor.send({"kind": kind, **content})

    def _obey(self) -> bool:
        message, fds = self._supervisor.receive()
        optimizer = self._server.optimizer
        match message["kind"]:
            case "attach":
                agent = _Agent(message["worker"], fds, optimizer.weights.size, self._dtype)
                self._selector.register(agent.channel, selectors.EVENT_READ, agent)
            case "snapshot":
                for copy, vector in zip(
                    self._copies, (optimizer.weights, *optimizer.state.values()), strict=True
                ):
                    copy[:] = vector
                state = self._server.state.to_json()
                self._supervisor.send({"kind": "snapshot", "state": state, "final": message["final"]})
            case "first_lost":
                self._server.first_lost = True
                self._release()
            case "deal":
                self._server.state.deal()
                self._server.first_lost = True  # Batches are counted anew; the warm-up is over.
            case "ping":
                self._supervisor.send({"kind": "pong"})
            case "exit":
                return False
        return True

    def _serve(self, agent: _Agent) -> None:
        try:
            message, _ = agent.channel.receive()
        except ChannelClosedError:
            self._detach(agent)
            return
        match message["kind"]:
            case "join":
                self._tell("joined", worker=agent.worker)
            case "start":
                self._waiting.append(agent)
            case "push":
                self._push(agent, message["fetch"])
            case "fetch":
                self._hand_out(agent)
        self._release()

    def _push(self, agent: _Agent, fetch: bool) -> None:
        push = agent.pushed.header
        own = self._server.state.workers[agent.worker]
        before = own.rejected, own.dropped
        out = agent.pulled.payload if fetch else self._own
        row = self._server.push(agent.worker, push, agent.pushed.payload, out)
        if fetch:
            self._hand_out(agent)
        else:
            self._answer(agent)
        # After the answer: the worker need not wait for the records.
        if row is not None:
            self._tell("update", worker=agent.worker, push=push, row=row)
        elif before != (own.rejected, own.dropped):
            counts = {"rejected": own.rejected, "dropped": own.dropped}
            self._tell("refused", worker=agent.worker, position=own.position, finite=push.finite, **counts)

    def _hand_out(self, agent: _Agent) -> None:
        stop, weights = self._server.complete, self._server.optimizer.weights
        if weights is not agent.pulled.payload:
            agent.pulled.payload[:] = weights
        agent.pulled.header = Pull(self._server.state.updates, stop)
        if stop:
            self._server.state.workers[agent.worker].done = True
        self._answer(agent)

    def _answer(self, agent: _Agent) -> None:
        with suppress(ChannelClosedError):  # The selector shows its end of file next.
            agent.channel.send({})

    def _release(self) -> None:
        for agent in [other for other in self._waiting if self._server.may_start(other.worker)]:
            self._waiting.remove(agent)
            self._tell("started", worker=agent.worker)
            self._answer(agent)

    def _detach(self, agent: _Agent) -> None:
        self._selector.unregister(agent.channel)
        self._waiting = [other for other in self._waiting if other is not agent]
        agent.close()
        self._tell("detached", worker=agent.worker, **asdict(self._server.state.workers[agent.worker]))


def main(assignment: Assignment) -> None:
    """Run a server process."""
    task, fds = assignment.task, assignment.fds
    length, kind = task["length"], OPTIMIZERS[task["optimizer"]]
    share = shares(length, task["servers"])[task["server"]]
    vectors = np.split(SharedVector(fds["state"], length * (1 + len(kind.STATE))).array, 1 + len(kind.STATE))
    copies = np.split(SharedVector(fds["snapshot"], length * len(vectors)).array, len(vectors))
    weights, *rest = (vector[share] for vector in vectors)
    state = ServerState.from_json(task["state"])
    optimizer = kind(
        weights, dict(zip(kind.STATE, rest, strict=True)), task["learning_rate"], task["ramp_steps"],
        state.updates, task["threads"],
    )  # fmt: skip
    server = ParameterServer(optimizer, state, Limits(**task["limits"]))
    Service(
        server, Channel(fds["supervisor"]), [copy[share] for copy in copies], task["server"] == 0,
        COMPRESSIONS[task["compression"]],
    ).run()  # fmt: skip
