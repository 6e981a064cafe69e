"""Online dictionary learning: cost of the wrapper over bare SPAMS, and of scikit-learn at the same objective.

python benchmarks/odl.py        writes benchmarks/results/odl.tsv; some minutes on one core
"""

from __future__ import annotations

import os
import re
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import spams
from scipy.ndimage import gaussian_filter1d
from sklearn.decomposition import MiniBatchDictionaryLearning

from dca.decompose import odl
from dca.decompose.columns import Columns, normalise
from dca.decompose.fit import fit
from dca.decompose.settings import Settings
from dca.files import write_tsv

OUT = Path(__file__).parent / "results" / "odl.tsv"
VOXELS, LENGTH, ATOMS, LAM, BATCH, TURNS = 16_384, 284, 400, 0.15, 512, 7
SETTINGS = Settings(ATOMS, "unit", LAM, BATCH, 2, 0)
COLUMNS = {
    "what": "Learner, encode, normalise and fit are of dca.decompose; trainDL and lasso of SPAMS, on the "
    "same columns; MiniBatchDictionaryLearning of scikit-learn (coordinate descent, same start and batches). "
    "Two passes, if not said otherwise",
    "cpu_s": "CPU seconds on one core, the least of the turns",
    "over": "What it is compared with",
    "ratio": "CPU seconds over those of the latter in the same turn, median over turns",
    "objective": "Of the dictionary: mean of 0.5 |x - Da|^2 + lambda |a|_1 over all columns",
    "voxels": "N",
    "length": "L",
    "atoms": "K",
    "lambda": "On columns of unit norm",
    "cpu": "Processor",
}


def signals() -> np.ndarray:
    """Z-scored series with smooth networks in noise, float32, (N, L)."""
    rng = np.random.default_rng(0)
    courses = gaussian_filter1d(rng.normal(size=(60, LENGTH)), 3, axis=1)
    weights = rng.normal(size=(VOXELS, 60)) * (rng.random((VOXELS, 60)) < 0.08)
    rows = 3 * weights @ courses + gaussian_filter1d(rng.normal(size=(VOXELS, LENGTH)), 0.7, axis=1)
    rows -= rows.mean(axis=1, keepdims=True)
    return (rows / rows.std(axis=1, keepdims=True)).astype(np.float32)


def learn(X: np.ndarray, start: np.ndarray) -> np.ndarray:
    """By the package."""
    learner = odl.Learner(start, LAM, BATCH)
    learner.feed(X, SETTINGS.iterations(VOXELS))
    return learner.dictionary


def train_dl(X: np.ndarray, start: np.ndarray) -> np.ndarray:
    """By SPAMS alone."""
    options = {"lambda1": LAM, "lambda2": 0, "mode": 2, "batchsize": BATCH, "numThreads": 1, "verbose": False}
    return spams.trainDL(X, D=start, iter=SETTINGS.iterations(VOXELS), **options)


def scikit_learn(X: np.ndarray, start: np.ndarray, passes: int) -> np.ndarray:
    """By scikit-learn."""
    learner = MiniBatchDictionaryLearning(
        ATOMS, alpha=LAM, batch_size=BATCH, max_iter=passes, fit_algorithm="cd",
        dict_init=start.T.astype(float), random_state=0, tol=0, max_no_improvement=None,
    )  # fmt: skip
    return learner.fit(X.T.astype(float)).components_.T


def spend(spent: dict[str, list[float]], name: str, function, *arguments):
    """Call a function, note its CPU seconds, return its result."""
    begin = time.process_time()
    result = function(*arguments)
    spent.setdefault(name, []).append(time.process_time() - begin)
    return result


def main() -> None:
    """Measure, print and write."""
    warnings.simplefilter("ignore")  # scikit-learn warns of every column that it leaves unfinished
    rows, spent, found = signals(), {}, {}
    X = odl.unit(rows.T)
    X64 = np.asfortranarray(X, dtype=float)
    start = odl.initial_dictionary(X, np.ones(VOXELS, bool), ATOMS, 0)
    for turn in range(TURNS):
        found["Learner"] = spend(spent, "Learner", learn, X, start)
        found["trainDL"] = spend(spent, "trainDL", train_dl, X, start)
        D = found["Learner"]
        spend(spent, "encode", odl.encode, X, D, LAM)
        codes = lambda x, d: spams.lasso(x, D=d, lambda1=LAM, mode=2, cholesky=True, numThreads=1)  # noqa: E731
        spend(spent, "lasso, float64", codes, X64, np.asfortranarray(D, dtype=float))
        spend(spent, "lasso, float32", codes, X, D)
        columns = Columns(rows.copy(), "benchmark", Path())
        spend(spent, "normalise", normalise, columns, SETTINGS.normalise)  # SPAMS needs such columns too
        spend(spent, "fit", fit, Columns(rows.copy(), "benchmark", Path()), SETTINGS)
        for passes in (1, 2) if turn == 0 else ():
            name = f"MiniBatchDictionaryLearning, passes: {passes}"
            found[name] = spend(spent, name, scikit_learn, X, start, passes)
    parts = ("normalise", "trainDL", "lasso, float64")
    bare = " + ".join(parts)
    spent[bare] = np.sum([spent[name] for name in parts], axis=0).tolist()
    over = {"Learner": "trainDL", "encode": "lasso, float64", "fit": bare}
    over |= {name: "Learner" for name in spent if name.startswith("MiniBatch")}
    table = []
    for name, seconds in spent.items():
        other = over.get(name)
        ratio = np.median(np.divide(seconds, spent[other][: len(seconds)])) if other else np.nan
        loss = odl.encode(X, odl.unit(found[name]), LAM).objective if name in found else np.nan
        table.append((name, min(seconds), other, ratio, loss, VOXELS, LENGTH, ATOMS, LAM))
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    result = pd.DataFrame(table, columns=list(COLUMNS)[:-1]).assign(cpu=models[0]).round(4)
    print(result.to_string())
    write_tsv(OUT, result, COLUMNS)


if __name__ == "__main__":
    main()
