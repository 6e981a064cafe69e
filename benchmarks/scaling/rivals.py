"""Other ways to get a gradient of 24 MB to where weights are and weights back; exchanges per second."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from dca.train.emulated import PAPER_PARAMETERS
from dca.train.processes.world import Rendezvous

WARM_UP = 5  # exchanges that are not counted
LIMIT_S = 300


def pair_worlds(script: Path, workers: int, seconds: float) -> float:
    """Of all workers together, as a pair_worlds.py says at its end."""
    environment = {**os.environ, "FLOATS": str(PAPER_PARAMETERS), "SECONDS": str(seconds)}
    for name in ("SLOW", "KILL", "RESTART", "LAUNCH", "T0"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, str(script.resolve()), str(workers)],
        env=environment, capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip
    rates = [float(text) for text in re.findall(r"([\d.]+) steps/s", done.stdout)]
    if len(rates) != workers:
        raise RuntimeError(
            f"{script} told of {len(rates)} workers instead of {workers}:\n{done.stderr[-2000:]}"
        )
    return sum(rates)


def copy_limit(seconds: float) -> float:
    """Copy the bytes of an exchange from one array to another, there and back; nothing else."""
    a, b = (np.ones(PAPER_PARAMETERS, np.float32) for _ in range(2))
    begin, exchanges = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        np.copyto(b, a)
        np.copyto(a, b)
        exchanges += 1
    return exchanges / elapsed


def allreduce(ranks: int, steps: int) -> float:
    """One plain Horovod allreduce of the vector over so many processes, with nothing done about it."""
    meeting = Rendezvous(ranks)
    processes = [
        _member("allreduce", str(steps), environment=meeting.environment(rank, 60)) for rank in range(ranks)
    ]
    try:
        return _answers(processes)[0]
    finally:
        meeting.close()


def parameter_server_strategy(workers: int, servers: int, seconds: float) -> float:
    """TensorFlow's ParameterServerStrategy: read all variables, apply Adagrad to all, no compute.

    The variables are as large as the network's; all workers together.
    """
    addresses = [f"localhost:{port}" for port in _free_ports(servers + workers)]
    cluster = json.dumps({"ps": addresses[:servers], "worker": addresses[servers:]})
    environment = {"CUDA_VISIBLE_DEVICES": "-1"}
    tasks = [("ps", i) for i in range(servers)] + [("worker", i) for i in range(workers)]
    members = [_member("task", cluster, job, str(i), environment=environment) for job, i in tasks]
    try:
        chief = _member("chief", cluster, str(seconds), environment=environment)
        return _answers([chief])[0]
    finally:
        for process in members:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [own.getsockname()[1] for own in sockets]
    for own in sockets:
        own.close()
    return ports


def _member(*arguments: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__, *arguments],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def _answers(processes: list[subprocess.Popen[str]]) -> list[float]:
    try:
        return [float(process.communicate(timeout=LIMIT_S)[0].split()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()


# In processes of their own ----------------------------------------------------------------------------


def _play_allreduce(steps: str) -> float:
    import horovod.tensorflow as hvd
    import tensorflow as tf

    hvd.init()
    vector = tf.ones([PAPER_PARAMETERS])
    for step in range(int(steps) + WARM_UP):
        if step == WARM_UP:
            begin = time.perf_counter()
        hvd.allreduce(vector, op=hvd.Sum, name="total")
    return int(steps) / (time.perf_counter() - begin)


def _play_task(cluster: str, job: str, index: str) -> float:
    import tensorflow as tf

    spec = tf.train.ClusterSpec(json.loads(cluster))
    tf.distribute.Server(spec, job_name=job, task_index=int(index), protocol="grpc").join()
    return 0.0


def _play_chief(cluster: str, seconds: str) -> float:
    import tensorflow as tf

    from dca.model import Architecture
    from dca.model.autoencoder import build

    members = json.loads(cluster)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(members), rpc_layer="grpc"
    )
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    network = build(Architecture.from_config({}, 284))
    shapes = [tuple(variable.shape) for variable in network.trainable_variables]
    with strategy.scope():
        weights = [tf.Variable(tf.random.normal(shape)) for shape in shapes]
        sums = [tf.Variable(tf.fill(shape, 0.1)) for shape in shapes]

    @tf.function
    def step() -> None:
        # A gradient that is no work, but cannot be had without fetching the weights.
        gradients = [weight.read_value() * 0.5 for weight in weights]
        for weight, total, gradient in zip(weights, sums, gradients, strict=True):
            with tf.device(weight.device):
                tf.raw_ops.ResourceApplyAdagradV2(
                    var=weight.handle, accum=total.handle, lr=0.01, epsilon=0.0, grad=gradient
                )

    burst = 10 * len(members["worker"])

    def go() -> None:
        for _ in range(burst):
            coordinator.schedule(step)
        coordinator.join()

    go()
    begin, exchanges = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < float(seconds):
        go()
        exchanges += burst
    return exchanges / elapsed


if __name__ == "__main__":
    print(globals()[f"_play_{sys.argv[1]}"](*sys.argv[2:]), flush=True)
    os._exit(0)  # Horovod's and TensorFlow's own ends take a second or more.
