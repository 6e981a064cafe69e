"""Whether any rule's memory grows with the number of subjects: results/study_memory.tsv.

python benchmarks/study_memory.py WORK [--subjects 2 8]

Runs the demo's study with so many subjects, in the space of the template and with every way of decomposing,
in a folder of WORK each, and compares the most memory that a job of each rule took, as Snakemake sampled it
(every 30 s in long jobs). A study that is there is gone on with. Columns: `rule`, by the names of
results/benchmarks; `mb_few` and
`mb_many`, the largest of its jobs; `runs`, by how many runs' in-mask series (`run_mb`) it grew. The last row
is of the group dictionary alone, with as many runs as it says: those of the larger study, over and over.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from dca.config import ROOT
from dca.inputs import read_runs
from dca.report.costs import read_measures
from dca.report.results import Folder
from dca.signals import Shard

SETTINGS: dict[str, Any] = {
    "seed": 1,
    "preprocess": {"registration": "affine", "template_mm": 4},
    "train": {"max_steps": 20, "batch_size": 256},
    "model": {"features": [4, 8, 8, 8], "filters": [9, 5, 5, 5]},
    "decompose": {"atoms": 50, "level": "both", "setups": ["raw", "dca", "dca-signal"]},
    "compare": {"surrogates": 200},
}
SUBJECTS = (2, 8)
FEW, MANY = 48, 192  # runs of the group dictionary
GROUP = """
import resource, sys, tempfile
from itertools import cycle, islice
from pathlib import Path
from dca.decompose.group import halves, learn_group
from dca.decompose.settings import Settings

sources = list(islice(cycle(sorted(Path(sys.argv[1], "signals").glob("*.h5"))), int(sys.argv[2])))
parts = halves(sources, [str(number) for number, _ in enumerate(sources)])
with tempfile.TemporaryDirectory() as out:
    settings = Settings(50, "unit", 0.15, 512, 1, 1, 1)
    learn_group(sources, out, setup="raw", settings=settings, halves=parts)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def run(folder: Path, subjects: int, voxel_mm: float) -> dict[str, float]:
    """Run a study, or what is left of it; MB by rule."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = SETTINGS | {"demo": {"voxel_mm": voxel_mm, "subjects": subjects}}
    (folder / "my.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--configfile", "my.yaml"]
    subprocess.run([*command, "-c2", "--rerun-incomplete", "-q"], cwd=folder, check=True)
    return peaks(folder / "results")


def peaks(results: Path) -> dict[str, float]:
    """MB of the largest job by rule: the names of benchmarks without that of the run or the subject."""
    runs = read_runs(results / "inputs.tsv")
    names = {run.run_id for run in runs} | {run.subject for run in runs}
    found: dict[str, float] = {}
    for path, numbers in read_measures(Folder(results)):
        name, _, ending = path.stem.partition(".")
        words = [*path.parts[:-1], "" if name in names else name, ending]
        rule = "/".join(filter(None, words))
        found[rule] = max(found.get(rule, 0.0), numbers["max_rss"])
    return found


def group_mb(results: Path, runs: int) -> float:
    """MB of learning one dictionary of so many runs, with its halves."""
    call = [sys.executable, "-c", GROUP, str(results), str(runs)]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def run_mb(folder: Path) -> float:
    """Size of a run's in-mask series, the largest there is."""
    sizes = []
    for path in (folder / "results" / "signals").glob("*.h5"):
        with Shard(path) as shard:
            sizes.append(4 * shard.n_voxels * shard.length / 2**20)
    return max(sizes)


def compare(work: Path, subjects: Sequence[int], voxel_mm: float) -> pd.DataFrame:
    """Run both studies."""
    folders = [work / str(n) for n in subjects]
    few, many = (run(folder, n, voxel_mm) for folder, n in zip(folders, subjects, strict=True))
    table = pd.DataFrame({"mb_few": few, "mb_many": many})
    table.loc[f"group raw, {FEW} and {MANY} runs"] = [
        group_mb(folders[-1] / "results", n) for n in (FEW, MANY)
    ]
    table["run_mb"] = run_mb(folders[0])
    table["runs"] = ((table["mb_many"] - table["mb_few"]) / table["run_mb"]).round(2)
    return table.round({"mb_few": 0, "mb_many": 0, "run_mb": 0}).rename_axis("rule").reset_index()


def main() -> None:
    """Run both studies, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--subjects", type=int, nargs=2, default=SUBJECTS)
    parser.add_argument("--voxel_mm", type=float, default=4)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/study_memory.tsv")
    options = parser.parse_args()
    table = compare(options.work, options.subjects, options.voxel_mm)
    table.to_csv(options.out, sep="\t", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
