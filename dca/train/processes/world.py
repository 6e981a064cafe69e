"""Horovod worlds; the only module that knows Horovod.

They die as a whole: when one process of a world ends, the others get an exception or are aborted. So
in Downpour every worker is a world of its own, with an agent per server (`World`), and what it loses
with its death is only these. `Collective` is a world of equals, which go in step anyway.
"""

from __future__ import annotations

import importlib
import importlib.util
import mmap
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.errors import DependencyError
from dca.train.allocator import keep_memory
from dca.train.processes.network import listening
from dca.train.processes.roll import call_roll

Vector = NDArray[np.float32]

WORKER = 0  # rank; the agent of server s has rank s + 1


def require_horovod() -> None:
    """Check that Horovod is installed, without importing TensorFlow.

    Raises
    ------
    DependencyError
        If it is not.
    """
    if importlib.util.find_spec("horovod") is None:
        raise DependencyError(
            "Horovod",
            "is not installed, and train.mode `downpour` and `sync` need it",
            "run `make horovod`, or set train.mode: single",
        )


def preload() -> None:
    """Import Horovod, and TensorFlow with it, for processes to inherit that are forked from this one."""
    importlib.import_module("horovod.tensorflow")


def set_cycle(processes: int, cores: int) -> None:
    """Settle how often worlds that are started from here on look for messages.

    Once per cycle the processes of a world ask each other whether there is something to send. With many
    worlds on few cores that alone fills the cores. So up to two processes per core keep Horovod's 1 ms,
    and every further one adds 1.5 ms. ``HOROVOD_CYCLE_TIME``, where it is set, stays.

    Parameters
    ----------
    processes : int
        Of all worlds on this machine together.
    cores : int
        That they share.
    """
    os.environ.setdefault("HOROVOD_CYCLE_TIME", f"{1 + 1.5 * max(0.0, processes / cores - 2):.3g}")


class Rendezvous:
    """Where the processes of one world find each other: a small HTTP server on this machine.

    It listens on one interface only, at a port the system chooses.

    Parameters
    ----------
    size : int
        Processes of the world.
    interface, address : str
        Where it listens, and the processes on this machine too. One on another machine sets
        ``HOROVOD_GLOO_IFACE`` itself.

    Raises
    ------
    TrainingError
        If no port is free.
    """

    def __init__(self, size: int, interface: str = "lo", address: str = "127.0.0.1") -> None:
        from horovod.runner.http.http_server import RendezvousHandler, RendezvousHTTPServer

        self._size, self._interface = size, interface
        # Horovod's own RendezvousServer listens on all interfaces.
        with listening(address):
            self._server = RendezvousHTTPServer((address, 0), RendezvousHandler, 0)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def environment(self, rank: int, timeout_s: int) -> dict[str, str]:
        """Environment variables that make a process rank `rank` of this world.

        Parameters
        ----------
        rank : int
            `WORKER`, or 1 more than the server of an agent; in a `Collective` the number of a worker.
        timeout_s : int
            Seconds that one waits for the others to appear.
        """
        return {
            "HOROVOD_RANK": str(rank),
            "HOROVOD_SIZE": str(self._size),
            "HOROVOD_LOCAL_RANK": str(rank),
            "HOROVOD_LOCAL_SIZE": str(self._size),
            "HOROVOD_CROSS_RANK": "0",
            "HOROVOD_CROSS_SIZE": "1",
            "HOROVOD_HOSTNAME": "localhost",
            "HOROVOD_CONTROLLER": "gloo",
            "HOROVOD_CPU_OPERATIONS": "gloo",
            "HOROVOD_GLOO_IFACE": self._interface,
            "HOROVOD_GLOO_RENDEZVOUS_ADDR": self._server.server_address[0],
            "HOROVOD_GLOO_RENDEZVOUS_PORT": str(self._server.server_address[1]),
            "HOROVOD_GLOO_TIMEOUT_SECONDS": str(timeout_s),
            # Said here for workers on other machines, too.
            "HOROVOD_CYCLE_TIME": os.environ.get("HOROVOD_CYCLE_TIME", "1"),
            # Waiting is part of the method: for the warm-up, or while a worker computes.
            "HOROVOD_STALL_CHECK_DISABLE": "1",
        }

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class PeerLostError(Exception):
    """Another process of this world is gone."""


class Outbox:
    """Memory that is sent without being copied, to one other process or in parts to several.

    Parameters
    ----------
    vector : float32 array (n,)
        Page-aligned; what it contains when `World.send` is called is sent.
    parts : sequence of int
        Elements for each rank, in order of rank.
    """

    def __init__(self, vector: Vector, parts: Sequence[int]) -> None:
        import tensorflow as tf

        self.vector = vector
        with tf.device("CPU:0"):
            self.tensor = tf.experimental.dlpack.from_dlpack(vector.__dlpack__())
            self.parts = tf.constant(parts, tf.int32)

    @classmethod
    def create(cls, parts: Sequence[int]) -> Outbox:
        """Allocate it, of zeros."""
        size = sum(parts)
        return cls(np.frombuffer(mmap.mmap(-1, 4 * size), np.float32), parts)


class World:
    """Membership of this process in its world, as `Rendezvous.environment` told it.

    With one server a message is a broadcast; with several, one uneven all-to-all carries the messages
    of all, in which only worker and agents have something for each other. (A broadcast would carry
    every share to every agent; other ways were measured: docs/downpour.md.) All ranks take part
    in each, in the same order.

    Parameters
    ----------
    servers : int
        S; the world has 1 more processes.
    seal : str
        Known to processes of this training only.

    Raises
    ------
    TrainingError
        If there are others in this world.
    PeerLostError
        If another process is gone; so do all methods.
    """

    def __init__(self, servers: int, seal: str) -> None:
        import horovod.tensorflow as hvd
        import tensorflow as tf

        keep_memory()
        self._hvd, self._tf = hvd, tf
        hvd.init()
        call_roll(hvd.size(), servers + 1, seal, self._gather)
        self._rank, self._pair = hvd.rank(), servers == 1
        with tf.device("CPU:0"):
            self._nothing, self._no_parts = tf.zeros([0]), tf.zeros([servers + 1], tf.int32)
            self._blank: dict[int, Any] = {0: self._nothing}

    def gate(self) -> None:
        """Wait until all processes of this world are here."""
        self._all_to_all("gate", self._nothing, self._no_parts)

    def send(self, name: str, outbox: Outbox) -> None:
        """Send what an outbox contains; the others `receive` under the same name."""
        if self._pair:
            self._broadcast(name, self._rank, outbox.tensor)
        else:
            self._all_to_all(name, outbox.tensor, outbox.parts)

    def receive(self, name: str, size: int) -> Vector:
        """Wait for what others send to this process.

        Returns
        -------
        float32 array (size,)
            In order of their ranks; read-only, and not a copy: it is what Horovod received.
        """
        if not self._pair:
            return self._all_to_all(name, self._nothing, self._no_parts)
        if size not in self._blank:
            with self._tf.device("CPU:0"):
                self._blank[size] = self._tf.zeros([size])
        return self._broadcast(name, 1 - self._rank, self._blank[size])

    def _gather(self, row: NDArray[Any]) -> NDArray[Any]:
        return self._run(lambda: self._hvd.allgather(self._tf.constant(row), name="roll"))

    def _broadcast(self, name: str, root: int, tensor: Any) -> Vector:
        return self._run(lambda: self._hvd.broadcast(tensor, root_rank=root, name=name))

    def _all_to_all(self, name: str, tensor: Any, parts: Any) -> Vector:
        return self._run(lambda: self._hvd.alltoall(tensor, parts, name=name)[0])

    def _run(self, operation: Callable[[], Any]) -> Vector:
        try:
            with self._tf.device("CPU:0"):
                # `numpy` would copy; what was sent comes back here as well.
                return np.asarray(memoryview(operation()))
        except (self._tf.errors.OpError, RuntimeError) as error:
            raise PeerLostError(str(error)) from error

    def close(self) -> None:
        """Leave the world; the others have to do so too."""
        self._hvd.shutdown()


class Collective:
    """Membership of this process in a world of equals, all of which take part in each operation.

    Parameters
    ----------
    size : int
        Number of processes there should be.
    seal : str
        Known to processes of this training only.

    Attributes
    ----------
    rank, size : int

    Raises
    ------
    TrainingError
        If there are others in this world.
    PeerLostError
        If one of the others is gone; so do all methods.
    """

    def __init__(self, size: int, seal: str) -> None:
        import horovod.tensorflow as hvd
        import tensorflow as tf

        self._hvd, self._tf = hvd, tf
        hvd.init()
        call_roll(hvd.size(), size, seal, self._gather)
        self.rank, self.size = hvd.rank(), size

    def share(self, content: Any) -> Any:
        """Give every process what number 0 has, anything that can be pickled."""
        return self._together(lambda: self._hvd.broadcast_object(content, root_rank=0, name="share"))

    def total(self, vector: Vector) -> Vector:
        """Sum vectors, float32 (N,), over all processes; a new array, the same bits for each."""
        tensor = self._tf.convert_to_tensor(vector)
        name = f"total {vector.size}"
        return self._together(lambda: self._hvd.allreduce(tensor, op=self._hvd.Sum, name=name).numpy())

    def _gather(self, row: NDArray[Any]) -> NDArray[Any]:
        return self._together(lambda: self._hvd.allgather(self._tf.constant(row), name="roll").numpy())

    def _together(self, operation: Callable[[], Any]) -> Any:
        try:
            with self._tf.device("CPU:0"):
                return operation()
        except (self._tf.errors.OpError, RuntimeError) as error:
            raise PeerLostError(str(error)) from error

    def close(self) -> None:
        """Leave the world when all others want to."""
        self.total(np.zeros(1, np.float32))
        self._hvd.shutdown()
