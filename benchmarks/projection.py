"""What HCP-1200's motor task will take, from measured costs of one run: results/scale_projection.tsv.

python benchmarks/projection.py [--runs 2400] [--training 0.75] [--epochs 1]

`cpu_s` is of one run (train: of one run and epoch), `core_hours` and `disk_gb` of all runs, `memory_gb` of a
job. `from`: `run`, measured on one run of this size; `line`, carried on from runs of 6 and 4 mm
(dca/cluster/costs.tsv).
"""

import argparse

import pandas as pd

from dca.cluster.plan import COSTS, VOXELS
from dca.config import ROOT
from dca.files import read_tsv

RESULTS = ROOT / "benchmarks" / "results"
VOLUMES, THREADS = 284, 2
RUN_GB = VOXELS * VOLUMES * 4 / 1e9
# CPU s, peak MB and MB of results of `dca preprocess --set preprocess.backend=none --mask` on the run of
# benchmarks/scale.py: link, mask, mean, confounds, summary and figures.
PREPROCESS = (13.2, 592.0, 1.0)


def project(runs: int, training: float, epochs: int) -> pd.DataFrame:
    """One row for each stage."""
    costs = read_tsv(COSTS).set_index("stage")
    extraction = read_tsv(RESULTS / "scale_extraction.tsv").set_index("what").loc["extraction to a shard"]
    speed = read_tsv(RESULTS / "scale_encoding.tsv").set_index("what")
    disk = costs["disk_mb"] + costs["disk_mb_per_gb"] * RUN_GB
    rows = [
        ("preprocess", "run", PREPROCESS[0], PREPROCESS[1], PREPROCESS[2], runs),
        ("signals", "run", extraction["cpu_s"], extraction["peak_mb"], disk["signals"], runs),
    ]
    rows += [_carried(costs.loc[stage], stage, disk, runs) for stage in ("glm", "decompose raw")]
    for stage, what in (
        ("train", "training step, batches of 512"),
        ("encode", "encoding a run, file to file"),
    ):
        seconds = THREADS * VOXELS / speed.loc[what, "series_per_s"]
        count = runs if stage == "encode" else runs * training * epochs
        rows.append((stage, "run", seconds, speed.loc[what, "peak_mb"], disk[stage], count))
    rows += [_carried(costs.loc[stage], stage, disk, runs) for stage in ("decompose dca", "compare")]
    table = pd.DataFrame(
        [
            {
                "stage": stage,
                "from": source,
                "cpu_s": round(seconds, 1),
                "core_hours": round(seconds * count / 3600, 1),
                "memory_gb": round(memory / 1000, 2),
                "disk_gb": round(stored * (1 if stage == "train" else runs) / 1000, 1),
            }
            for stage, source, seconds, memory, stored, count in rows
        ]
    )
    total = {"core_hours": table["core_hours"].sum(), "disk_gb": table["disk_gb"].sum()}
    total |= {"stage": "together", "memory_gb": table["memory_gb"].max()}
    return pd.concat([table, pd.DataFrame([total])]).round({"core_hours": 1, "disk_gb": 1})


def _carried(
    cost: pd.Series, stage: str, disk: pd.Series, runs: int
) -> tuple[str, str, float, float, float, int]:
    """A stage that was measured on smaller runs only."""
    seconds = cost["fixed_s"] + cost["s_per_gb"] * RUN_GB
    memory = cost["memory_mb"] + cost["memory_mb_per_gb"] * RUN_GB
    return stage, "line", seconds, memory, disk[stage], runs


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=2400)
    parser.add_argument("--training", type=float, default=0.75, help="share of the runs that are trained on")
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    table = project(options.runs, options.training, options.epochs)
    print(table.to_string(index=False))
    table.to_csv(RESULTS / "scale_projection.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
