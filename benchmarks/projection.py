"""What HCP-1200's motor task will take, from measured costs of one run: results/scale_projection.tsv.

python benchmarks/projection.py [--runs 2400] [--training 0.75] [--epochs 1] [--cores 64] [--workers 13]

`cpu_s` is of one run (train: of one run and epoch), `core_hours` and `disk_gb` of all runs, `memory_gb` of a
job. `hours` is with `cores` at work: all there are, the training's workers of two threads, or one for the
sums of all z maps. `from`: `run`, measured on one run of this size; `line`, carried on from runs of 6 and
4 mm (dca/cluster/costs.tsv).
"""

import argparse
from pathlib import Path

import pandas as pd

from dca.cluster.plan import COSTS, VOXELS
from dca.config import ROOT
from dca.files import read_tsv

RESULTS = ROOT / "benchmarks" / "results"
VOLUMES, THREADS, EVENTS = 284, 2, 6
RUN_GB = VOXELS * VOLUMES * 4 / 1e9
SUMS_GB = EVENTS * 91 * 109 * 91 * 8 / 1e9  # the events' sums on the grid of 2 mm


def project(
    results: Path,
    runs: int = 2400,
    training: float = 0.75,
    epochs: int = 1,
    cores: int = 64,
    workers: int = 13,
) -> pd.DataFrame:
    """One row for each stage."""
    costs = read_tsv(COSTS).set_index("stage")
    extraction = read_tsv(results / "scale_extraction.tsv").set_index("what").loc["extraction to a shard"]
    speed = read_tsv(results / "scale_encoding.tsv").set_index("what")
    before = read_tsv(results / "scale_preprocess.tsv").iloc[0]
    disk = costs["disk_mb"] + costs["disk_mb_per_gb"] * RUN_GB
    rows = [
        ("preprocess", "run", before["cpu_s"], before["peak_mb"], before["disk_mb"], runs, cores),
        ("signals", "run", extraction["cpu_s"], extraction["peak_mb"], disk["signals"], runs, cores),
    ]
    carried = {
        stage: ("line", *_carried(costs.loc[stage]), disk[stage], runs, cores)
        for stage in ("decompose raw", "decompose dca", "compare")
    }
    fit = read_tsv(results / "scale_glm.tsv").iloc[0]
    rows.append(("glm", "run", fit["cpu_s"], fit["peak_mb"], disk["glm"], runs, cores))
    rows.append(("decompose raw", *carried["decompose raw"]))
    for stage, what in (
        ("train", "training step, batches of 512"),
        ("encode", "encoding a run, file to file"),
    ):
        seconds = THREADS * VOXELS / speed.loc[what, "series_per_s"]
        count = runs if stage == "encode" else runs * training * epochs
        at_work = cores if stage == "encode" else THREADS * workers
        rows.append((stage, "run", seconds, speed.loc[what, "peak_mb"], disk[stage], count, at_work))
    few, many = (row for _, row in read_tsv(results / "scale_sums.tsv").iterrows())
    between = int(many["what"].split()[0]) - int(few["what"].split()[0])
    rows.append(("decompose dca", *carried["decompose dca"]))
    each = (many["cpu_s"] - few["cpu_s"]) / between
    rows.append(("z sums", "run", each, many["peak_mb"], 1000 * SUMS_GB / runs, runs, 1))
    rows.append(("compare", *carried["compare"]))
    table = pd.DataFrame(
        [
            {
                "stage": stage,
                "from": source,
                "cpu_s": round(seconds, 1),
                "core_hours": round(seconds * count / 3600, 1),
                "cores": at_work,
                "hours": round(seconds * count / 3600 / at_work, 2),
                "memory_gb": round(memory / 1000, 2),
                "disk_gb": round(stored * (1 if stage == "train" else runs) / 1000, 1),
            }
            for stage, source, seconds, memory, stored, count, at_work in rows
        ]
    )
    total = {name: table[name].sum() for name in ("core_hours", "hours", "disk_gb")}
    total |= {"stage": "together", "memory_gb": table["memory_gb"].max()}
    found = pd.concat([table, pd.DataFrame([total])]).round({"core_hours": 1, "hours": 2, "disk_gb": 1})
    return found.astype({"cores": "Int64"})


def _carried(cost: pd.Series) -> tuple[float, float]:
    """CPU s and MB of a stage that was measured on smaller runs only."""
    seconds = cost["fixed_s"] + cost["s_per_gb"] * RUN_GB
    return seconds, cost["memory_mb"] + cost["memory_mb_per_gb"] * RUN_GB


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=2400)
    parser.add_argument("--training", type=float, default=0.75, help="share of the runs that are trained on")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--workers", type=int, default=13, help="of the training, two threads each")
    table = project(RESULTS, **vars(parser.parse_args()))
    print(table.to_string(index=False))
    table.to_csv(RESULTS / "scale_projection.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
