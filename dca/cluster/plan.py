"""What a study will take of a cluster, from costs that were measured, before anything is submitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dca.config import ROOT, read_yaml
from dca.errors import ConfigError
from dca.files import read_tsv
from dca.inputs import Run
from dca.preprocess.anatomy import find_t1w

COSTS = Path(__file__).with_name("costs.tsv")
PROFILE = ROOT / "slurm" / "config.yaml"
VOXELS = 201_218
"""In-mask voxels of a brain at 2 mm (the paper's)."""
BYTES = 4  # of a float32
COUNTED = ("core_hours", "gpu_hours", "memory_gb", "disk_gb")


@dataclass(frozen=True)
class Size:
    """What is to be done.

    Attributes
    ----------
    subjects, runs : int
    training_runs : int
        Runs that the model learns from.
    voxels, volumes : int
        In-mask voxels and time points of one run.
    anatomies : int
        T1w images that are registered by themselves, each once for all of its runs (`registers_anatomies`).
    """

    subjects: int
    runs: int
    training_runs: int
    voxels: int
    volumes: int
    anatomies: int = 0

    @property
    def run_gb(self) -> float:
        """In-mask float32 of one run in GB: the unit that costs are counted in."""
        return self.voxels * self.volumes * BYTES / 1e9


def plan(
    size: Size, config: Mapping[str, Any], groups: Mapping[str, int], gpu_rate: float | None = None
) -> pd.DataFrame:
    """Predict what each stage takes.

    A stage takes ``fixed_s + s_per_gb * GB`` for each of its jobs, with the costs of costs.tsv; the training
    ``epochs * s_per_gb * GB``, with the GB of all training runs. No queue and no retry is in these.

    Parameters
    ----------
    size : Size
    config : mapping
        All settings.
    groups : mapping
        Group of rules to how many of its members share a Slurm job; 1 where it is not named.
    gpu_rate : float, optional
        Series per second and GPU in training. With it the training is counted in GPU-hours, not core-hours.

    Returns
    -------
    DataFrame
        Rows: groups of rules, then ``total``; the registration of T1w images by FSL, pages and tables are
        jobs without costs. Columns: ``slurm_jobs``, ``core_hours``, ``gpu_hours``,
        ``memory_gb`` (largest of a stage's job) and ``disk_gb`` (of all results that are kept).
    """
    costs = read_tsv(COSTS)
    setups = config["decompose"]["setups"]
    rows = []
    for name, members in costs.groupby("group", sort=False):
        if name in ("raw", "dca") and name not in setups:
            members = members[members["stage"].isin(("glm", "compare"))]
            if members.empty:
                continue
        row = _training(members, size, config, gpu_rate) if name == "train" else _group(members, size)
        count = 1 if name == "train" else size.runs
        rows.append({"group": name, "slurm_jobs": -(-count // groups.get(str(name), 1)), **row})
    if size.anatomies:  # Not measured: FSL's.
        jobs = -(-size.anatomies // groups.get("anatomy", 1))
        rows.insert(0, {"group": "anatomy", "slurm_jobs": jobs, **dict.fromkeys(COUNTED, 0.0)})
    # Pages, the table of all runs, training's page and index: short, not counted.
    pages = -(-size.subjects // groups.get("report", 1)) + 3
    rows.append({"group": "report", "slurm_jobs": pages, **dict.fromkeys(COUNTED, 0.0)})
    table = pd.DataFrame(rows).set_index("group")
    total = table.sum()
    total["memory_gb"] = table["memory_gb"].max()
    table.loc["total"] = total
    return table.astype({"slurm_jobs": int})


def registers_anatomies(config: Mapping[str, Any]) -> bool:
    """Whether the T1w images of a study have jobs of their own: backend ``fsl``, to a template."""
    section = config["preprocess"]
    return section["backend"] == "fsl" and section["registration"] != "none"


def count_anatomies(runs: Iterable[Run], config: Mapping[str, Any]) -> int:
    """Count the T1w images of runs that have jobs of their own."""
    if not registers_anatomies(config):
        return 0
    return len({find_t1w(run.bold) for run in runs} - {None})


def group_sizes(profiles: Iterable[str | Path]) -> dict[str, int]:
    """Read the ``group-components`` of profiles; a later one replaces those of an earlier one.

    Raises
    ------
    ConfigError
        If a profile cannot be read or an entry is not ``name=number``.
    """
    entries: Sequence[str] = []
    for path in profiles:
        file = Path(path) / "config.yaml" if Path(path).is_dir() else Path(path)
        entries = read_yaml(file).get("group-components", entries)
    sizes = {}
    for entry in entries:
        name, _, number = str(entry).partition("=")
        if not number.isdecimal() or int(number) < 1:
            raise ConfigError("group-components", f"has the entry `{entry}`", "write for example raw=10")
        sizes[name] = int(number)
    return sizes


def _group(members: pd.DataFrame, size: Size) -> dict[str, float]:
    """Cost of stages that run once per run."""
    seconds = size.runs * (members["fixed_s"] + members["s_per_gb"] * size.run_gb)
    memory = members["memory_mb"] + members["memory_mb_per_gb"] * size.run_gb
    disk = size.runs * (members["disk_mb"] + members["disk_mb_per_gb"] * size.run_gb)
    values = (seconds.sum() / 3600, 0.0, memory.max() / 1000, disk.sum() / 1000)
    return dict(zip(COUNTED, values, strict=True))


def _training(
    members: pd.DataFrame, size: Size, config: Mapping[str, Any], gpu_rate: float | None
) -> dict[str, float]:
    """Cost of the training: every series of every training run once per epoch."""
    cost, section = members.iloc[0], config["train"]
    processes = {"single": 1, "sync": section["workers"]}.get(
        section["mode"], section["workers"] + section["servers"]
    )
    series = section["epochs"] * size.training_runs * size.voxels
    seconds = section["epochs"] * size.training_runs * size.run_gb * cost["s_per_gb"]
    values = (
        0.0 if gpu_rate else seconds / 3600,
        series / gpu_rate / 3600 if gpu_rate else 0.0,
        cost["memory_mb"] * processes / 1000,
        cost["disk_mb"] / 1000,
    )
    return dict(zip(COUNTED, values, strict=True))
