"""Memory of the group dictionary by the number of runs."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pandas as pd

from dca.decompose import odl  # noqa: F401  what the library takes itself is no growth
from dca.decompose.group import halves, learn_group
from dca.decompose.settings import Settings
from dca.signals import Shard
from scale.network import ROWS, encode_run
from scale.run import Options, at_once, table

RUNS = (16, 64, 128)


def learn(folder: Path, setup: str, runs: int) -> None:
    """Learn 50 atoms, and those of two halves, from one run's rows over and over."""
    sources = [folder / ("few.h5" if setup == "raw" else "features.h5")] * runs
    parts = halves(sources, [str(number) for number in range(runs)])
    settings = Settings(50, "unit", 0.15, 512, 1, 1, 1)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        learn_group(sources, out, setup=setup, settings=settings, halves=parts, model_folder=folder / "model")


def group(options: Options) -> pd.DataFrame:
    """Dictionaries of signals and of features of the paper's network; `grown_x` in such runs' series."""
    with Shard(options.few_rows(ROWS)) as shard:
        run_mb = 4 * shard.n_voxels * shard.length / 2**20
    at_once([encode_run], options.folder)
    rows = {}
    for setup in ("raw", "dca"):
        for runs in RUNS:
            work = functools.partial(learn, setup=setup, runs=runs)
            rows[f"{setup}, {runs} runs"] = at_once([work], options.folder)[0]
    return table(rows, run_mb).drop(columns="ratio")
