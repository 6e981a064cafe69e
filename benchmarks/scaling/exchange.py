"""Part 1: the exchange alone, 24 MB each way and Adagrad, against other ways to do it."""

from __future__ import annotations

from functools import partial

from . import rivals
from .jobs import downpour, run_paced
from .paced import rate
from .rows import Results, in_turns, ratio

OURS, PAIRS, STRATEGY = "dca downpour", "pair_worlds.py", "ParameterServerStrategy"
ALLREDUCE, COPY = "Horovod allreduce, 2 processes", "memory copy"
COLUMNS = {
    "way": "How gradients and weights travel",
    "workers": "Workers",
    "servers": "Parameter servers",
    "ratio": "Median over turns of the ratio to pair_worlds.py with as many workers in the same turn",
}


def measure(results: Results) -> None:
    """Exchanges per second of all workers together."""
    seconds, repeats = (2.0, 1) if results.quick else (4.0, 5)

    def ours(workers: int, servers: int) -> float:
        periods, _ = run_paced(((0.0, seconds + 1),), downpour(workers, servers))
        return rate(periods[0])

    measures = {}
    for workers in (1, 2):
        measures[OURS, workers, 1] = partial(ours, workers, 1)
        if results.pair_worlds is not None:
            measures[PAIRS, workers, 1] = partial(
                rivals.pair_worlds, results.pair_worlds, workers, 1.5 * seconds
            )
    for workers in (1, 2):
        measures[OURS, workers, 2] = partial(ours, workers, 2)
        measures[STRATEGY, workers, 1] = partial(rivals.parameter_server_strategy, workers, 1, seconds)
    measures[ALLREDUCE, 2, 0] = partial(rivals.allreduce, 2, int(25 * seconds))
    measures[COPY, 0, 0] = partial(rivals.copy_limit, seconds / 4)
    found = in_turns(measures, repeats)
    if results.pair_worlds is None:
        found |= {(PAIRS, workers, 1): [] for workers in (1, 2)}

    rows = []
    for (way, workers, servers), values in found.items():
        row = results.row(values, way=way, workers=workers, servers=servers)
        rows.append(row | {"ratio": ratio(values, found.get((PAIRS, max(1, workers), 1), []))})
    results.write("exchange", rows, COLUMNS)
