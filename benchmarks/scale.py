"""Measure the data path on a run of HCP's size, and whole studies.

    python benchmarks/scale.py [--parts extraction reading ...] [--repeat 3] [--folder kept] [--quick]
        [--shape 91 109 91 284] [--voxels 201218] [--out benchmarks/results]

Writes a table for each part to <out>/scale_<part>.tsv (memory: study_memory.tsv). Measurements of a run have
a process of their own each, with its files in the page cache; `seconds` is the shortest of the repeats, and
the rest is of that one: `cpu_s`, the CPU time; `peak_mb`, the largest resident memory; `grown_x`, by how
much it grew over that of the libraries, in units of the run's in-mask series as float32. `ratio` is the
speed in units of that of the first row. Encoding and the training step are timed after a first call, which
compiles them, and their ratio is that of series per s. The report's index is of made-up studies. A kept
folder with a bold.nii.gz and mask.nii.gz of your own is measured on these. `--quick` sees whether it runs:
a small run, tables in a temporary folder.
"""

import argparse
import importlib
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Part: module of benchmarks/scale/.
PARTS = {
    "preprocess": "preprocessing", "extraction": "extraction", "pair": "extraction",
    "reading": "reading", "storage": "reading",
    "encoding": "network", "stall": "network", "glm": "statistics", "float16": "statistics",
    "sums": "statistics", "group": "group", "projection": "study", "dag": "study", "memory": "study",
    "index": "index",
}  # fmt: skip
QUICK = {"shape": [16, 18, 16, 120], "voxels": 2000, "repeat": 1}


def measure_part(part: str, options: Any) -> Any:
    """The table of one part."""
    return getattr(importlib.import_module(f"scale.{PARTS[part]}"), part)(options)


def main() -> None:
    """Make one run, and measure the parts on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--shape", type=int, nargs=4, default=[91, 109, 91, 284])
    parser.add_argument("--voxels", type=int, default=201_218)
    parser.add_argument("--folder", type=Path, help="keep what is made here, and use it if it is there")
    parser.add_argument("--quick", action="store_true", help="a small run, tables in a temporary folder")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)
    # For this process and those below it: they unpickle what is defined in benchmarks/scale/.
    paths = [str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ.update(PYTHONPATH=os.pathsep.join(paths))
    sys.path[:0] = paths[:2]
    from scale.run import Options, make_run

    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        quick_out = Path(tempfile.gettempdir()) / "dca-scale-quick"
        out = arguments.out or (quick_out if arguments.quick else HERE / "results")
        for place in (folder, out):
            place.mkdir(parents=True, exist_ok=True)
        if not (folder / "mask.nii.gz").exists():
            make_run(folder, tuple(arguments.shape), arguments.voxels)
        options = Options(folder, out, arguments.repeat, arguments.quick)
        for part in arguments.parts:
            # A process starts with the peak memory of the one that it comes from: each part has its own.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                found = pool.submit(measure_part, part, options).result()
            print(found.to_string(index=False), flush=True)
            name = "study_memory" if part == "memory" else f"scale_{part}"
            found.to_csv(out / f"{name}.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
