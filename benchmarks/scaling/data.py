"""Simulated signals to train on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from dca.signals import write_shard
from dca.train.split import TrainingData

SOURCES = 12


def simulate(folder: Path, rows: int, held_out: int, length: int, seed: int, shards: int = 8) -> TrainingData:
    """Write shards of so many rows in all, and one of held-out rows.

    A row is a mixture of three of 12 slow oscillations, the same in all shards, with a phase of its own
    each, in noise of half its power; z-scored.
    """
    random = np.random.default_rng(seed)
    periods = random.uniform(8, 40, SOURCES)
    cuts = [rows * shard // shards for shard in range(shards + 1)]
    sizes = [stop - start for start, stop in pairwise(cuts)]
    paths = [_write(folder, f"sub-{i}", n, length, periods, random) for i, n in enumerate([*sizes, held_out])]
    return TrainingData.from_shards(paths[:-1], paths[-1:])


def _write(
    folder: Path, name: str, rows: int, length: int, periods: np.ndarray, random: np.random.Generator
) -> Path:
    chosen = periods[random.integers(0, SOURCES, (rows, 3))]
    phases, sizes = random.uniform(0, 2 * np.pi, (rows, 3)), random.uniform(0.3, 1, (rows, 3))
    time = np.arange(length)
    signals = (sizes[..., None] * np.sin(2 * np.pi * time / chosen[..., None] + phases[..., None])).sum(1)
    signals += signals.std() / np.sqrt(2) * random.standard_normal((rows, length))
    signals -= signals.mean(1, keepdims=True)
    signals /= signals.std(1, keepdims=True)
    path = folder / f"{name}.h5"
    attributes = {
        "run_id": name, "subject": name, "tr": 1.0, "affine": np.eye(4), "shape": (rows, 1, 1),
        "space": None, "seed": 0, "source": "simulated", "mask": "none", "source_sha256": name,
        "mask_sha256": "none", "preprocessing": {}, "excluded": {},
    }  # fmt: skip
    write_shard(
        path, [signals.astype(np.float32)], length=length, voxel=np.arange(rows),
        mean=np.zeros(rows), std=np.ones(rows), attributes=attributes,
    )  # fmt: skip
    return path
