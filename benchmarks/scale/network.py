"""The network on a run: encoding against training, and how long a training waits for rows."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd

from dca.files import read_tsv
from dca.signals import Shard
from scale.run import THREADS, Options, measure

ROWS = 8192  # that are encoded
BATCH, UPDATES = 1600, 7


def training_steps(folder: Path) -> float:
    """Compute gradients of batches of 512; seconds for each series."""
    from dca.model import Architecture
    from dca.model.autoencoder import build
    from dca.model.backend import set_threads
    from dca.train.allocator import keep_memory
    from dca.train.step import GradientStep

    keep_memory()
    set_threads(THREADS)
    with Shard(folder / "few.h5") as shard:
        batch = shard.read(0, 512)
    architecture = Architecture.from_config({}, batch.shape[1])
    step = GradientStep(build(architecture), architecture.penalty)
    step(batch)
    begin = time.monotonic()
    for _ in range(4):
        step(batch)
    return (time.monotonic() - begin) / (4 * len(batch))


def encode_run(folder: Path) -> float:
    """Encode a shard with the network of the paper; seconds for each series."""
    from dca.features import encode
    from dca.model import Architecture
    from dca.model.autoencoder import build
    from dca.model.backend import set_threads
    from dca.model.storage import save_model

    set_threads(THREADS)
    with Shard(folder / "few.h5") as shard:
        rows, length = shard.n_voxels, shard.length
    save_model(build(Architecture.from_config({}, length)), folder / "model", {})
    encode(folder / "few.h5", folder / "model", folder / "features.h5", threads=THREADS)
    begin = time.monotonic()
    encode(folder / "few.h5", folder / "model", folder / "features.h5", threads=THREADS)
    return (time.monotonic() - begin) / rows


def encoding(options: Options) -> pd.DataFrame:
    """Series per second of training and of encoding, with the network of the paper, on two threads."""
    options.few_rows(512 if options.quick else ROWS)
    works = {"training step, batches of 512": training_steps, "encoding a run, file to file": encode_run}
    rows = {name: measure(work, options.folder, options.repeat) for name, work in works.items()}
    first = rows["training step, batches of 512"]["seconds"]
    return pd.DataFrame(
        [
            {
                "what": name,
                "series_per_s": f"{1 / row['seconds']:.0f}",
                "peak_mb": f"{row['peak_mb']:.0f}",
                "ratio": f"{first / row['seconds']:.2f}",
            }
            for name, row in rows.items()
        ]
    )


def stall(options: Options) -> pd.DataFrame:
    """Share of each update that a training of the network of the paper waits for its rows: history.tsv."""
    from dca.train import TrainSettings, train

    batch = 64 if options.quick else BATCH
    settings = TrainSettings(mode="single", max_steps=UPDATES, batch_size=batch)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        train([options.shard()], [], folder, {}, settings, 0, threads=THREADS)
        history = read_tsv(Path(folder, "history.tsv"))
    return history.loc[history["split"] == "train", ["step", "samples_per_s", "stall"]]
