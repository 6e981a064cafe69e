"""Measure the reader of the training against the same reads through tf.data, in turns.

    python benchmarks/tf_data.py WORK [--shards 8] [--rows 25000] [--length 284] [--turns 7] [--out FILE]

WORK gets shards of noise, which are in the page cache then. Batches are of 1600 rows of all shards. `ms`
is the time of a batch for one who only takes them, `cpu_ms` the CPU time, and `wait_ms` how long a batch is
waited for by one who sleeps 20 ms between two: medians over the turns.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from dca.files import write_tsv
from dca.signals import write_shard
from dca.train.agenda import Agenda
from dca.train.ahead import AHEAD
from dca.train.data import RowStream

BATCH, SLEEP_S = 1600, 0.02


def make_shards(folder: Path, shards: int, rows: int, length: int) -> list[Path]:
    """Write shards of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, paths = np.random.default_rng(0), [folder / f"{i}.h5" for i in range(shards)]
    for i, path in enumerate(paths):
        attributes = {
            "run_id": str(i), "subject": str(i), "tr": 0.72, "affine": np.eye(4), "shape": (rows, 1, 1),
            "space": None, "seed": i, "source": "", "mask": "", "source_sha256": str(i), "mask_sha256": "",
            "preprocessing": {}, "excluded": {},
        }  # fmt: skip
        write_shard(
            path, [rng.standard_normal((rows, length), np.float32)], length=length, voxel=np.arange(rows),
            mean=np.zeros(rows), std=np.ones(rows), attributes=attributes,
        )  # fmt: skip
    return paths


def as_now(stream: RowStream) -> Iterator[Any]:
    """Batches as a worker gets them."""
    for _, batch in stream:
        yield batch


def through_tf_data(stream: RowStream) -> Iterator[Any]:
    """Batches of the same reads, handed over and prefetched by tf.data."""

    def generate() -> Iterator[Any]:
        with closing(stream._batches()) as batches:
            for _, batch in batches:
                yield batch

    spec = tf.TensorSpec((None, stream.length), tf.float32)
    yield from tf.data.Dataset.from_generator(generate, output_signature=spec).prefetch(AHEAD)


def take(batches: Iterator[Any], sleep_s: float) -> tuple[float, float, float]:
    """Take all batches; time, CPU time and waiting per batch, in ms."""
    begin, cpu, waited, count = time.perf_counter(), time.process_time(), 0.0, 0
    while True:
        asked = time.perf_counter()
        if next(batches, None) is None:
            break
        waited += time.perf_counter() - asked
        count += 1
        time.sleep(sleep_s)
    spent = (time.perf_counter() - begin, time.process_time() - cpu, waited)
    return tuple(1000 * seconds / count for seconds in spent)


def measure(paths: list[Path], rows: int, length: int, turns: int) -> pd.DataFrame:
    """Time both ways in turns, after one of each that does not count."""
    ways: dict[str, Callable[[RowStream], Iterator[Any]]] = {
        "as now": as_now, "through tf.data": through_tf_data
    }  # fmt: skip
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for _ in range(turns + 1):
        for name, way in ways.items():
            agenda = Agenda(tuple(((0, rows),) for _ in paths))
            plain, paced = (
                take(way(RowStream(paths, agenda, BATCH, 1, (0, 0), length)), sleep_s)
                for sleep_s in (0.0, SLEEP_S)
            )
            found[name].append([plain[0], plain[1], paced[2]])
    table = pd.DataFrame(
        [[name, *np.round(np.median(numbers[1:], axis=0), 2)] for name, numbers in found.items()],
        columns=["batches", "ms", "cpu_ms", "wait_ms"],
    )
    table["ratio"] = (table["ms"] / table["ms"][0]).round(2)
    return table


def main() -> None:
    """Make the shards, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--rows", type=int, default=25_000)
    parser.add_argument("--length", type=int, default=284)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tf_data.tsv"))
    told = parser.parse_args()
    paths = make_shards(told.work, told.shards, told.rows, told.length)
    table = measure(paths, told.rows, told.length, told.turns)
    write_tsv(
        told.out, table,
        {
            "batches": "How batches of 1600 rows of all shards reach the one who takes them",
            "ms": "Milliseconds of a batch for one who only takes them; median of the turns",
            "cpu_ms": "Milliseconds of CPU time of a batch; median of the turns",
            "wait_ms": "Milliseconds that a batch is waited for, 20 ms of sleep between two; median of turns",
            "ratio": "ms in units of the first row's",
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
