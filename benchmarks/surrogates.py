"""Cost of the nulls of a run: surrogate designs, best correlations, held-out scores, on one core.

python benchmarks/surrogates.py        writes benchmarks/results/surrogates.tsv
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.ndimage import gaussian_filter1d

from dca.compare.halves import halve, held_out_scores
from dca.compare.nulls import corrected_p_values, make_nulls
from dca.compare.voxels import VoxelSums
from dca.files import write_tsv
from dca.glm.design import make_design
from dca.simulate.paradigm import events_table
from dca.simulate.scenario import Scenario

VOLUMES, TR, ATOMS, COUNT, VOXELS = 284, 0.72, 400, 1000, 16_000
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


def main() -> None:
    """Measure, print and write."""
    rng = np.random.default_rng(0)
    events = events_table(Scenario(), 0, 0, 0)
    atoms = gaussian_filter1d(rng.normal(size=(VOLUMES, ATOMS)), 2, axis=0)
    signals = rng.normal(size=(VOXELS, VOLUMES)).astype(np.float32)
    codes = sparse.random_array((ATOMS, VOXELS), density=0.016, rng=rng, dtype=np.float32).tocsr()
    options = {"hrf": "spm", "highpass_s": 100, "count": COUNT}
    make = lambda: make_nulls(events, VOLUMES, TR, rng=np.random.default_rng(1), **options)  # noqa: E731
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
