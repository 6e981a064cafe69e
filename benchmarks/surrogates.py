"""Cost of the nulls of a run: surrogate designs, best correlations, held-out scores, on one core.

python benchmarks/surrogates.py                        writes benchmarks/results/surrogates.tsv
python benchmarks/surrogates.py --orders [--runs N]    are p right where an event has few places? Atoms that
    know nothing against an order of the motor task that is drawn anew for each run; writes
    benchmarks/results/surrogates_orders.tsv
"""

from __future__ import annotations

import argparse
import os
import re
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from scipy.stats import kstest
from tqdm import trange

from dca.compare.halves import halve, held_out_scores
from dca.compare.nulls import corrected_p_values, make_nulls, p_value
from dca.compare.voxels import VoxelSums
from dca.files import write_tsv
from dca.glm.design import make_design
from dca.simulate.paradigm import events_table
from dca.simulate.scenario import Scenario

VOLUMES, TR, ATOMS, COUNT, VOXELS = 284, 0.72, 400, 1000, 16_000
OPTIONS = {"hrf": "spm", "highpass_s": 100, "count": COUNT}
OUT = Path(__file__).parent / "results" / "surrogates.tsv"
COLUMNS = {
    "step": "What was computed, for all six events of the motor task and one setup",
    "cpu_s": "CPU seconds on one core: best of five",
    "surrogates": "Orders (and random phases for the cue)",
    "volumes": "T",
    "atoms": "K",
    "voxels": "N",
    "cpu": "Processor",
}
ORDERS = {
    "event": "Of the motor task, two blocks each; the cue comes before every block",
    "null": "Kind of its surrogates",
    "distinct": "Different regressors of the event among them (median over runs)",
    "runs": "How many, each with its own order and its own 400 smooth random atoms of 284 volumes",
    "percent_p_0.05": "Runs with p <= 0.05 (1000 surrogates)",
    "uniform": "p of a Kolmogorov-Smirnov test of p against the uniform distribution",
}


class Rows:
    """What `VoxelSums` needs of a shard, in memory."""

    def __init__(self, signals: np.ndarray) -> None:
        self.signals, self.n_voxels = signals, len(signals)

    def blocks(self, rows=4096):
        """As of a shard."""
        for start in range(0, self.n_voxels, rows):
            yield start, self.signals[start : start + rows]


def cheapest(function, repeats=5):
    """Least CPU time of several calls, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def try_orders(runs: int) -> None:
    """Judge atoms that know nothing, against an order of its own in every run."""
    found = []
    for run in trange(runs, unit="run"):
        rng = np.random.default_rng(run)
        atoms = gaussian_filter1d(rng.normal(size=(VOLUMES, ATOMS)), 2, axis=0)
        nulls = make_nulls(events_table(Scenario(), run, 0, 0), VOLUMES, TR, rng=rng, **OPTIONS)
        for event, null in nulls.items():
            p = max(p_value(*_best(null, atoms, kind)) for kind in null.surrogates)
            found.append({"event": event, "null": null.kind, "distinct": null.distinct, "p": p})
    rows = [
        (
            *key,
            part["distinct"].median(),
            len(part),
            100 * (part["p"] <= 0.05).mean(),
            kstest(part["p"], "uniform")[1],
        )
        for key, part in pd.DataFrame(found).groupby(["event", "null"])
    ]
    table = pd.DataFrame(rows, columns=list(ORDERS)).round(3)
    print(table.to_string())
    write_tsv(OUT.with_name("surrogates_orders.tsv"), table, ORDERS)


def _best(null, atoms, kind):
    observed, chosen = null.best(atoms, kind)
    return observed, chosen.pcc


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--orders", action="store_true")
    parser.add_argument("--runs", type=int, default=250)
    given = parser.parse_args()
    try_orders(given.runs) if given.orders else measure()


def measure() -> None:
    """Time every step."""
    rng = np.random.default_rng(0)
    events = events_table(Scenario(), 0, 0, 0)
    atoms = gaussian_filter1d(rng.normal(size=(VOLUMES, ATOMS)), 2, axis=0)
    signals = rng.normal(size=(VOXELS, VOLUMES)).astype(np.float32)
    codes = sparse.random_array((ATOMS, VOXELS), density=0.016, rng=rng, dtype=np.float32).tocsr()
    make = lambda: make_nulls(events, VOLUMES, TR, rng=np.random.default_rng(1), **OPTIONS)  # noqa: E731
    rows = []
    cost, nulls = cheapest(make)
    rows.append(("surrogate designs", cost))

    def correlate():
        best = [
            (null.best(atoms)[0], [null.best(atoms, kind)[1].pcc for kind in null.surrogates])
            for null in nulls.values()
        ]
        return corrected_p_values([b[0] for b in best], [b[1] for b in best])

    rows.append(("best correlations and p", cheapest(correlate)[0]))
    cost, sums = cheapest(lambda: VoxelSums(Rows(signals), {"raw": codes}, np.arange(VOLUMES)), 3)
    rows.append(("sums over voxels", cost))
    nuisance = make_design(events, VOLUMES, TR).table.drop(columns=list(nulls)).to_numpy()

    def hold_out():
        for null in nulls.values():
            held_out_scores(null, halve(VOLUMES), atoms, nuisance, "raw", sums)

    rows.append(("held-out scores, time and space", cheapest(hold_out)[0]))
    table = pd.DataFrame(rows, columns=["step", "cpu_s"]).round(3)
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    table = table.assign(surrogates=COUNT, volumes=VOLUMES, atoms=ATOMS, voxels=VOXELS, cpu=models[0])
    print(table.to_string())
    write_tsv(OUT, table, COLUMNS)


if __name__ == "__main__":
    main()
