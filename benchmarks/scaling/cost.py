"""Part 6: what an exchange costs, fitted to parts 1 and 2, and what follows for other machines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from dca.errors import InputError
from dca.train.emulated import PAPER_PARAMETERS
from dca.train.optimizers import OPTIMIZERS, new_state

from .exchange import OURS
from .rows import Results

WORKERS = 13  # the paper's
BYTES = 4 * PAPER_PARAMETERS
ENOUGH = 0.9  # of as many times the speed as there are workers
FIT = {
    "servers": "Parameter servers; all processes on the one machine that was measured",
    "exchange_s": "e: seconds of an exchange that meets no other",
    "shared_s": "d: seconds of it that exchanges have to do one after another",
    "update_s": "s: seconds of Adagrad on all parameters, with a copy of the weights; one thread, measured",
    "rows": "Rows of exchange.tsv and scaling.tsv that the fit is to",
    "worst_error": "Largest deviation of a row's steps per second from the model's, relative",
}
PREDICTION = {
    "cluster": "What is predicted for",
    "compute_s": "c: seconds of a step without exchange",
    "servers": "S: parameter servers, each on a machine of its own",
    "n": "n_push and n_fetch",
    "compression": "Of gradients",
    "exchange_s": "e: seconds of an exchange that meets no other",
    "shared_s": "d: seconds of a server, or of its link, per exchange",
    "saturated_from": "Workers from which on the servers limit",
    "speedup": "Of 13 workers with overlap, over one process",
    "steps_between": "Mean number of other workers' steps between two exchanges of a worker",
}


class Sample(NamedTuple):
    """A measured rate."""

    workers: int
    compute_s: float
    overlap: bool
    rate: float


class Cluster(NamedTuple):
    """Machines to predict for."""

    name: str
    compute_s: tuple[float, ...]
    link: float
    """Bytes per second of a machine's link, each way."""


CLUSTERS = (
    Cluster("GPUs, 25 Gb/s", (1.0, 0.5, 0.25, 0.1), 25e9 / 8),
    # 1600 series in one pass through JAX, from and to the host, in float32 and in TF32: results/gpu.tsv.
    Cluster("H100, 400 Gb/s", (0.027, 0.0115), 400e9 / 8),
)


def rate(workers: int, compute_s: float, exchange_s: float, shared_s: float, overlap: bool) -> float:
    """Exchanges per second of all workers together.

    Workers circulate between a delay, in which they do not hinder each other, and a queue; by exact mean
    value analysis (Reiser and Lavenberg 1980). With overlap an exchange has no compute in its way, and a
    worker does one per step at most.

    Parameters
    ----------
    workers : int
    compute_s, exchange_s, shared_s : float
        c, e and d, in seconds; d ≤ e.
    overlap : bool
    """
    delay = exchange_s - shared_s + (0.0 if overlap else compute_s)
    waiting = found = 0.0
    for circulating in range(1, workers + 1):
        response = shared_s * (1 + waiting)
        found = circulating / (delay + response)
        waiting = found * response
    return min(found, workers / compute_s) if overlap and compute_s else found


def fit(samples: Sequence[Sample]) -> tuple[float, float, float]:
    """Find e and d for which `rate` is nearest to what was measured, in logarithms.

    Returns
    -------
    exchange_s, shared_s : float
    worst_error : float
        Largest relative deviation.
    """

    def times(x: np.ndarray) -> tuple[float, float]:
        exchange = float(np.exp(x[0]))
        return exchange, exchange / (1 + float(np.exp(-x[1])))

    def errors(x: np.ndarray) -> np.ndarray:
        return np.array([np.log(own.rate / rate(*own[:2], *times(x), own.overlap)) for own in samples])

    best = min((least_squares(errors, [np.log(0.05), start]) for start in (-1.0, 1.0)), key=lambda r: r.cost)
    return *times(best.x), float(np.abs(np.expm1(errors(best.x))).max())


def predict(
    cluster: Cluster,
    compute_s: float,
    servers: int,
    n: int,
    compressed: bool,
    fixed_s: float,
    update_s: float,
) -> dict[str, float]:
    """Say what `WORKERS` workers of a cluster reach.

    Parameters
    ----------
    cluster : Cluster
    compute_s : float
        Of one step.
    servers : int
    n : int
        n_push and n_fetch.
    compressed : bool
        Whether gradients travel in 16 bits.
    fixed_s : float
        Exchange without a link: copies, optimiser, and waiting for Horovod's rounds.
    update_s : float
        Of one server for all parameters.
    """
    there, back = BYTES / 2 if compressed else BYTES, BYTES
    exchange = fixed_s + (there + back) / cluster.link / servers
    # Link and optimiser work at the same time, on different exchanges, and so do the link's two directions.
    shared = max(update_s, there / cluster.link, back / cluster.link) / servers
    exchanges = rate(WORKERS, n * compute_s, exchange, shared, overlap=True)
    return {
        "exchange_s": exchange,
        "shared_s": shared,
        "saturated_from": max(n * compute_s, exchange) / shared,
        "speedup": exchanges * n * compute_s,
        "steps_between": (WORKERS - 1) * n,
    }


def measure(results: Results) -> None:
    """Fit, and predict."""
    update_s = _update_seconds(0.5 if results.quick else 4.0)
    rows, fixed_s = [], 0.0
    for servers in (1, 2):
        samples = _samples(results, servers)
        if len(samples) < 3:
            continue
        exchange, shared, worst = fit(samples)
        fixed_s = fixed_s or exchange
        what = {"servers": servers, "exchange_s": exchange, "shared_s": shared}
        rows.append(results.row([update_s], **what, update_s=update_s, rows=len(samples), worst_error=worst))
    if not rows:
        raise InputError(
            results.folder, "has too few rows to fit to", "run the parts exchange and scaling first"
        )
    results.write("fit", rows, FIT)
    predictions = [
        results.row(
            [], cluster=cluster.name, compute_s=compute, servers=servers, n=n,
            compression="bfloat16" if compressed else "none",
            **predict(cluster, compute, servers, n, compressed, fixed_s, update_s),
        )
        for cluster in CLUSTERS
        for compute in cluster.compute_s
        for servers in (1, 2, 4)
        for n in (1, 2, 5, 10)
        for compressed in (False, True)
    ]  # fmt: skip
    results.write("model", predictions, PREDICTION)


def _samples(results: Results, servers: int) -> list[Sample]:
    exchange, scaling = results.read("exchange"), results.read("scaling")
    exchange = exchange[(exchange["way"] == OURS) & (exchange["servers"] == servers)]
    scaling = scaling[scaling["servers"] == servers]
    return [Sample(int(own.workers), 0.0, False, own.median) for own in exchange.itertuples()] + [
        Sample(int(own.workers), own.compute_s, bool(own.overlap), own.steps_per_s)
        for own in scaling.itertuples()
    ]


def _update_seconds(seconds: float) -> float:
    """Median time of one update of a server, as it makes it for a worker that fetches too."""
    random = np.random.default_rng(0)
    weights, gradient = random.standard_normal((2, PAPER_PARAMETERS), np.float32)
    optimizer = OPTIMIZERS["adagrad"](weights, new_state("adagrad", weights.size), 0.01, 0)
    place, times = np.empty_like(weights), []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        optimizer.apply(gradient, place)
        times.append(time.perf_counter() - begin)
        weights, place = place, weights  # as with several workers: each has its place
    return float(np.median(times))
