"""The report's index of a large study."""

from __future__ import annotations

import functools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import report as made_up

from dca.compare.group import gather
from dca.config import resolve
from dca.files import read_json, read_tsv, write_json, write_tsv
from dca.report import write_index
from scale.run import Options, measure

RUNS = (120, 1200, 2400)
CONFOUNDS = 300  # columns of a table as fMRIPrep writes it
SETTINGS = {"decompose": {"setups": list(made_up.SETUPS)}, "preprocess": {"backend": "none"}}


def write_study(results: Path, runs: int) -> None:
    """Write one run of the report's own benchmark, small, and give others its files."""
    made_up.write_study(results, 8.0, 12)
    first = made_up.RUN["run_id"]
    confounds = results / "preprocess" / first / "confounds.tsv"
    noise = np.random.default_rng(0).standard_normal((made_up.T, CONFOUNDS))
    named = pd.DataFrame(noise, columns=[f"c_{k:03d}" for k in range(CONFOUNDS)])
    write_tsv(confounds, read_tsv(confounds).join(named), {})
    glm = results / "glm" / first / "summary.json"
    write_json(glm, {**read_json(glm), "confounds": [], "hrf": "spm", "noise": "ar1"})
    tables = [results / "compare" / "runs" / f"{first}.tsv"]
    shared = [path for path in results.rglob("*") if path.is_file() and first in str(path)]
    for number in range(2, runs + 1):
        other = _name(number)
        for path in shared:
            new = Path(str(path).replace(first, other))
            new.parent.mkdir(parents=True, exist_ok=True)
            if path == tables[0]:
                text = path.read_text().replace(first, other).replace("\t01\t", f"\t{number:04d}\t")
                new.write_text(text)
                tables.append(new)
            else:
                os.link(path, new)
    gather(tables, results / "compare" / "pcc.tsv", results / "compare" / "group.tsv")
    rows = [{**made_up.RUN, "run_id": first}]
    rows += [{**made_up.RUN, "run_id": _name(n), "subject": f"{n:04d}"} for n in range(2, runs + 1)]
    (results / "runs.json").write_text(json.dumps(rows))


def _name(number: int) -> str:
    return f"sub-{number:04d}_task-motor"


def make(folder: Path, runs: int) -> None:
    """Make the page."""
    results = folder / f"index-{runs}"
    rows = json.loads((results / "runs.json").read_text())
    write_index(results / "report" / "index.html", rows, results, resolve(SETTINGS))


def index(options: Options) -> pd.DataFrame:
    """Time and memory of the index by the number of runs, libraries included."""
    rows = []
    for runs in (3, 6) if options.quick else RUNS:
        results = options.folder / f"index-{runs}"
        if not results.exists():
            write_study(results, runs)
        found = measure(functools.partial(make, runs=runs), options.folder, options.repeat)
        page = results / "report" / "index.html"
        rows.append(
            {
                "runs": runs,
                "seconds": f"{found['seconds']:.1f}",
                "cpu_s": f"{found['cpu_s']:.1f}",
                "peak_mb": f"{found['peak_mb']:.0f}",
                "html_kb": f"{page.stat().st_size / 1000:.0f}",
            }
        )
        shutil.rmtree(results)
    return pd.DataFrame(rows)
