"""Reads of a shard, as it is and stored in other ways."""

from __future__ import annotations

import functools
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from dca.signals import Shard
from dca.signals.shard import chunk_rows
from scale.extraction import drain
from scale.run import Options, measure, table

# Rows in a chunk, as a multiple of those of a shard, and compression.
STORED = {
    "as it is": (1, {}),
    "chunks of a quarter": (1 / 4, {}),
    "chunks of four": (4, {}),
    "lzf": (1, {"compression": "lzf"}),
    "lzf, bytes shuffled": (1, {"compression": "lzf", "shuffle": True}),
    "gzip 4": (1, {"compression": "gzip"}),
    "gzip 4, bytes shuffled": (1, {"compression": "gzip", "shuffle": True}),
}


def read_file(folder: Path) -> None:
    """Read the file of the shard from its first byte to its last."""
    with open(folder / "run.h5", "rb", buffering=0) as stream:
        drain(stream)


def read_blocks(folder: Path, name: str = "run.h5") -> None:
    """Read a shard as GLM, encoding and decomposition do."""
    with Shard(folder / name) as shard:
        for _ in shard.blocks():
            pass


def read_batches(folder: Path) -> None:
    """Read the shard as a worker does, in batches of 1600, while it does nothing else."""
    from dca.train.agenda import Agenda
    from dca.train.data import RowStream

    with Shard(folder / "run.h5") as shard:
        rows, length = shard.n_voxels, shard.length
    for _ in RowStream([folder / "run.h5"], Agenda((((0, rows),),)), 1600, 1, (0, 0), length):
        pass


def reading(options: Options) -> pd.DataFrame:
    """Bytes of the shard's file, its blocks, and a worker's batches."""
    options.shard()
    works = {"file, 4 MiB at a time": read_file, "blocks of 4096 rows": read_blocks}
    works["batches of 1600, as a worker"] = read_batches
    rows = {name: measure(work, options.folder, options.repeat) for name, work in works.items()}
    return table(rows, options.run_mb())


def storage(options: Options) -> pd.DataFrame:
    """Size, writing and reading of the same shard with other chunks and with HDF5's compressions.

    `ratio` is the speed of reading it in blocks against that of reading the bytes of the shard's file.
    """
    whole = options.shard()
    plain = measure(read_file, options.folder, options.repeat)["seconds"]
    rows = []
    for name, (chunk, packing) in STORED.items():
        begin = time.monotonic()
        other = store(whole, options.folder / "stored.h5", chunk, packing)
        written = time.monotonic() - begin
        work = functools.partial(read_blocks, name=other.name)
        seconds = measure(work, options.folder, options.repeat)["seconds"]
        rows.append(
            {
                "stored": name,
                "size": f"{other.stat().st_size / whole.stat().st_size:.2f}",
                "write_s": f"{written:.1f}",
                "read_s": f"{seconds:.2f}",
                "ratio": f"{plain / seconds:.2f}",
            }
        )
    return pd.DataFrame(rows)


def store(source: Path, out: Path, chunk: float, packing: dict[str, object]) -> Path:
    """Write a shard again, its series in other chunks."""
    with h5py.File(source) as old, h5py.File(out, "w") as new:
        new.attrs.update(old.attrs)
        for name in ("voxel", "mean", "std"):
            new[name] = old[name][()]
        series = old["signals"]
        rows = min(len(series), int(chunk * chunk_rows(series.shape[1])))
        stored = new.create_dataset(
            "signals", series.shape, series.dtype, chunks=(rows, series.shape[1]), **packing
        )
        step = 4 * chunk_rows(series.shape[1])
        for start in np.arange(0, len(series), step):
            stored[start : start + step] = series[start : start + step]
    return out
