"""Measure what `dca plan` counts with: costs of each rule, from pilot studies on grids of two sizes.

    python benchmarks/plan.py PILOT [PILOT ...]

A pilot is the folder of a finished study, run with one core. From Snakemake's benchmarks and the sizes of the
results a line is fitted for each rule: a fixed part, and one per GB of a run's in-mask float32. Writes
dca/cluster/costs.tsv. Pilots have the default settings but for `demo.voxel_mm` (6 and 4), `demo.subjects: 1`,
`train.mode: single` and a few `train.max_steps`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dca.cluster.plan import COSTS
from dca.files import read_json, read_tsv, write_tsv
from dca.inputs import read_runs
from dca.signals import Shard

# Group, rule, unit, benchmark, what the rule leaves behind for good.
RULES = [
    ("preprocess", "correct_motion", "run", "preprocess/{run}.motion", ""),
    ("preprocess", "mask_brain", "run", "preprocess/{run}.mask", ""),
    ("preprocess", "scale", "run", "preprocess/{run}.scale", ""),
    ("preprocess", "highpass", "run", "preprocess/{run}.highpass", "preprocess/{run}/desc-*"),
    ("preprocess", "write_confounds", "run", "preprocess/{run}.confounds", ""),
    ("preprocess", "summarise_preprocessing", "run", "preprocess/{run}.summary", "preprocess/{run}/[!d]*"),
    ("preprocess", "extract_signals", "run", "signals/{run}", "signals/{run}.h5"),
    ("raw", "fit_glm", "run", "glm/{run}", "glm/{run}/*"),
    ("raw", "learn_dictionary", "run", "decompose/raw/{run}", "decompose/raw/{run}/[!m]*"),
    ("raw", "map_atoms", "run", "decompose/raw/{run}.maps", "decompose/raw/{run}/m*"),
    ("train", "train_model", "study", "train", "train/**/*"),
    ("dca", "encode", "run", "features/{run}", "features/{run}.h5"),
    ("dca", "learn_dictionary", "run", "decompose/dca/{run}", "decompose/dca/{run}/[!m]*"),
    ("dca", "map_atoms", "run", "decompose/dca/{run}.maps", "decompose/dca/{run}/m*"),
    ("dca", "compare_run", "run", "compare/{run}", "compare/runs/{run}.*"),
    ("gather", "gather_comparison", "study", "compare/gather", "compare/*.*"),
    ("report", "report_subject", "subject", "report/{subject}", "report/{subject}.html"),
    ("index", "report_index", "study", "report/index", "report/index.html"),
]
COLUMNS = {
    "group": "Jobs that share one job of the cluster.",
    "rule": "Rule of the workflow.",
    "unit": "What it runs once for: run, subject or study.",
    "fixed_s": "CPU seconds, whatever the size.",
    "s_per_gb": "CPU seconds per GB of in-mask float32 of a run (training: of all training runs, an epoch).",
    "memory_mb": "Largest resident memory in MB, whatever the size (training: of one worker).",
    "memory_mb_per_gb": "MB more per GB.",
    "disk_mb": "MB of results that are kept, whatever the size.",
    "disk_mb_per_gb": "MB more per GB.",
}


def measured(pilot: Path) -> tuple[float, dict[str, tuple[float, float, float]]]:
    """GB of the pilot's run; for each rule CPU seconds, MB of memory, MB of results."""
    results = pilot / "results"
    run = read_runs(results / "inputs.tsv")[0]
    with Shard(results / "signals" / f"{run.run_id}.h5") as shard:
        size = shard.n_voxels * shard.length * 4 / 1e9
    found = {}
    for group, rule, _, benchmark, kept in RULES:
        names = {"run": run.run_id, "subject": run.subject}
        row = read_tsv(results / "benchmarks" / f"{benchmark.format(**names)}.tsv").iloc[-1]
        files = results.glob(kept.format(**names)) if kept else []
        disk = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
        seconds = float(row["cpu_time"])
        if rule == "train_model":  # a few steps of it were run
            summary = read_json(results / "train" / "summary.json")
            seconds *= summary["train_rows"] / summary["samples"]
        found[f"{group}/{rule}"] = (seconds, float(row["max_rss"]), disk)
    return size, found


def main(pilots: list[Path]) -> None:
    """Fit the lines and write the table."""
    sizes, costs = zip(*(measured(pilot) for pilot in pilots), strict=True)
    rows = []
    for group, rule, unit, _, _ in RULES:
        values = np.array([cost[f"{group}/{rule}"] for cost in costs])
        fits = [line(np.array(sizes), column) for column in values.T]
        if rule == "train_model":
            fits[0] = (0.0, float(values[-1, 0] / sizes[-1]))  # of the last pilot, the largest
        rows.append((group, rule, unit, *(round(number, 2) for fit in fits for number in fit)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_tsv(COSTS, table, COLUMNS)
    print(table.to_string())


def line(sizes: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Intercept and slope, neither of which is below 0: noise must not become a cost that shrinks."""
    slope, fixed = np.polyfit(sizes, values, 1)
    if slope < 0:
        return float(values.mean()), 0.0
    if fixed < 0:
        return 0.0, float((values / sizes).max())
    return float(fixed), float(slope)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
