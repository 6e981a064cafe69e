"""Measure what `dca plan` counts with: CPU time, memory, results of each stage on simulated runs.

    python benchmarks/plan.py measure 6 WORK     one run at 6 mm, each stage by its `dca` command
    python benchmarks/plan.py measure 4 WORK     the same at 4 mm
    python benchmarks/plan.py fit WORK           a line through both for each stage: dca/cluster/costs.tsv

CPU time is what the kernel counted for the process and its children, so that other work on the machine hardly
matters. Every job's start of Python and its imports are in it, that of Snakemake is not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dca.cluster.plan import COSTS
from dca.files import read_json, write_json, write_tsv
from dca.signals import Shard

RUN = "sub-01_task-motor"
BOLD, EVENTS = f"data/sub-01/func/{RUN}_bold.nii.gz", f"data/sub-01/func/{RUN}_events.tsv"
PRE, SHARD = f"results/preprocess/{RUN}", f"results/signals/{RUN}.h5"
PREPROCESSED, MASK = f"{PRE}/desc-preproc_bold.nii.gz", f"{PRE}/mask.nii.gz"
CONFOUNDS = f"{PRE}/confounds.tsv"
GLM, MODEL = f"results/glm/{RUN}", "results/train/model"
FEATURES, TABLE = f"results/features/{RUN}.h5", f"results/compare/runs/{RUN}.tsv"
RAW, DCA = f"results/decompose/raw/{RUN}", f"results/decompose/dca/{RUN}"
BATCH, STEPS = 512, (2, 10)
"""Of a short training, and a longer one: the difference is the price of its steps alone."""


def training(steps: int, out: str) -> list[str]:
    """The command of a training of few steps, on one core."""
    settings = ("train.mode=single", f"train.max_steps={steps}", f"train.batch_size={BATCH}")
    words = [word for setting in settings for word in ("--set", setting)]
    return ["train", SHARD, "--out", out, "--threads", "1", *words]


# Group of the workflow, stage, command, what it leaves behind.
STAGES = [
    ("preprocess", "preprocess", ["preprocess", BOLD, PRE], PRE),
    ("preprocess", "signals", ["signals", PREPROCESSED, MASK, SHARD], SHARD),
    ("raw", "glm", ["glm", SHARD, EVENTS, GLM, "--confounds", CONFOUNDS], GLM),
    ("raw", "decompose raw", ["decompose", SHARD, RAW, "--glm", GLM], RAW),
    ("train", "start", training(STEPS[0], "short"), "short"),
    ("train", "train", training(STEPS[1], "results/train"), "results/train"),
    ("dca", "encode", ["encode", SHARD, FEATURES, "--model", MODEL], FEATURES),
    ("dca", "decompose dca",
     ["decompose", SHARD, DCA, "--features", FEATURES, "--model", MODEL, "--glm", GLM], DCA),
    ("dca", "compare",
     ["compare", SHARD, EVENTS, TABLE, "--glm", GLM, "--raw", RAW, "--dca", DCA], TABLE),
]  # fmt: skip
COLUMNS = {
    "group": "Jobs that share one job of the cluster.",
    "stage": "Stage, by the name of its command; once per run, train once per study.",
    "fixed_s": "CPU seconds, whatever the size.",
    "s_per_gb": "CPU seconds per GB of in-mask float32 of a run (train: of all training runs, per epoch).",
    "memory_mb": "Largest resident memory in MB, whatever the size (train: of one process).",
    "memory_mb_per_gb": "MB more per GB.",
    "disk_mb": "MB of results, whatever the size.",
    "disk_mb_per_gb": "MB more per GB.",
}


def measure(voxel_mm: str, work: Path) -> None:
    """Run every stage once, and write what each took."""
    folder = work / f"{voxel_mm}mm"
    folder.mkdir(parents=True, exist_ok=True)
    costs = read_json(folder / "costs.json") if (folder / "costs.json").exists() else {}
    if not (folder / "data").exists():
        dca(["simulate", "data", "--subjects", "1", "--voxel-mm", voxel_mm], folder)
    for _, stage, command, left in STAGES:
        if stage not in costs:
            seconds, memory = dca(command, folder)
            costs[stage] = [seconds, memory, size_mb(folder / left)]
            write_json(folder / "costs.json", costs)
            print(f"{voxel_mm} mm {stage}: {seconds:.1f} s of CPU, {memory:.0f} MB", flush=True)


def dca(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; CPU seconds and largest resident memory in MB."""
    process = subprocess.Popen([sys.executable, "-m", "dca.cli", *command], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"dca {command[0]} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def size_mb(path: Path) -> float:
    """Size of a file, or of all in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def fit(work: Path) -> None:
    """Fit the lines and write the table."""
    folders = sorted(work.glob("*mm"))
    sizes = np.array([run_gb(folder) for folder in folders])
    costs = [read_json(folder / "costs.json") for folder in folders]
    rows = []
    for group, stage, _, _ in STAGES:
        if stage == "start":
            continue
        values = np.array([cost[stage] for cost in costs])
        fits = [line(sizes, column) for column in values.T]
        if stage == "train":
            fits[0] = (0.0, per_gb([cost[stage][0] - cost["start"][0] for cost in costs]))
        rows.append((group, stage, *(round(number, 2) for pair in fits for number in pair)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tsv(COSTS, table, COLUMNS)
    print(table.to_string())


def per_gb(seconds: list[float]) -> float:
    """CPU seconds of training per GB of series of 284 points, from the price of the steps."""
    series = (STEPS[1] - STEPS[0]) * BATCH
    return float(np.mean(seconds)) / (series * 284 * 4 / 1e9)


def run_gb(folder: Path) -> float:
    """In-mask float32 of the run in GB."""
    with Shard(folder / SHARD) as shard:
        return shard.n_voxels * shard.length * 4 / 1e9


def line(sizes: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Intercept and slope, neither of which is below 0: noise must not become a cost that shrinks."""
    slope, fixed = np.polyfit(sizes, values, 1)
    if slope < 0:
        return float(values.mean()), 0.0
    if fixed < 0:
        return 0.0, float((values / sizes).max())
    return float(fixed), float(slope)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", size, where]:
            measure(size, Path(where))
        case ["fit", where]:
            fit(Path(where))
        case _:
            sys.exit(__doc__)
