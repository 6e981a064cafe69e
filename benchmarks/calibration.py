"""Are p-values right where there is no task? Model and group dictionaries know the task of other subjects.

Small models and group dictionaries are trained on simulated runs with a task whose order is the same in all.
They are applied to runs without any task. These are tested (a) against an order drawn anew for each, (b)
against the order of the training.

python benchmarks/calibration.py [--runs 200] [--out TABLE]    adds the rows that are missing; resumable
python benchmarks/calibration.py --summary        the table of docs/statistics.md; another --out is printed
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scaling.tables import markdown, replace
from scipy.ndimage import gaussian_filter1d
from scipy.stats import kstest

from dca.compare.halves import effect_weights, halve
from dca.compare.nulls import make_nulls
from dca.compare.others import Reference
from dca.compare.scores import Run, Setup, score_setup
from dca.compare.voxels import VoxelSums
from dca.config import load
from dca.decompose import learn_group, odl
from dca.decompose.atoms import time_courses
from dca.decompose.columns import Columns, normalise, remove_mean_column, subtract_column
from dca.decompose.courses import regress_courses
from dca.decompose.fit import fit
from dca.decompose.group import read_group
from dca.decompose.settings import Settings
from dca.features import encode
from dca.files import read_tsv, write_text, write_tsv
from dca.glm.design import event_regressors
from dca.preprocess.highpass import filter_columns
from dca.signals import write_shard, write_targets

HERE = Path(__file__).parent
OUT, PAGE = HERE / "results" / "calibration.tsv", HERE.parent / "docs" / "statistics.md"
VOXELS, VOLUMES, TR, HIGHPASS, NETWORKS, TRAINING = 400, 260, 1.0, 100, 15, 6
TYPES, SURROGATES, EVENT = "abcd" * 4, 999, "a"
SETTINGS = Settings(atoms=60, normalise="unit", lam=0.15, batch_size=200, passes=4, seed=0)
COLUMNS = {
    "run": "Simulated run without task",
    "setup": "raw, dca: dictionary of the run, features by the model; raw-group, dca-group: dictionary of "
    "the runs with the task, time courses by regression; others, dca and others, dca-signal: features and "
    "reconstructions by a model that was trained towards what the runs share (train.target: others)",
    "design": "a: order drawn for this run; b: order of the training",
    "p": "Of the event's best |PCC| among orders",
    "heldout_pcc": "Held-out correlation",
    "heldout_p": "Its p",
    "heldout_r_p": "p of the held-out correlation of maps",
    "others_r_p": "p of the correlation with the effect map of the next run, which has no task either; "
    "design a: made by that run's own order; b: by the order of the training",
}
CONSTANT = np.ones((VOLUMES, 1))


class Rows:
    """What the package needs of a shard, in memory."""

    def __init__(self, signals: np.ndarray) -> None:
        self.signals, self.n_voxels, self.length = signals, *signals.shape

    def blocks(self, rows=4096):
        """As of a shard."""
        for start in range(0, self.n_voxels, rows):
            yield start, self.signals[start : start + rows]


def task(rng: np.random.Generator) -> pd.DataFrame:
    """Four types of four blocks of 10 s, in random order."""
    onsets = 5 + 15.0 * np.arange(len(TYPES))
    return pd.DataFrame({"onset": onsets, "duration": 10.0, "trial_type": rng.permutation(list(TYPES))})


def simulate(rng: np.random.Generator, kernel: np.ndarray, events: pd.DataFrame | None) -> np.ndarray:
    """Z-scored series, float32, (N, T): networks, smooth noise, and the task where there is one.

    Networks lie at the same places in all runs: else maps of two runs could not be alike by chance.
    """
    places = np.random.default_rng(0)
    courses = gaussian_filter1d(rng.normal(size=(NETWORKS, VOLUMES)), 2.5, axis=1)
    courses /= courses.std(axis=1, keepdims=True)
    weights = places.normal(size=(VOXELS, NETWORKS)) * (places.random((VOXELS, NETWORKS)) < 0.2)
    rows = weights @ courses + 1.5 * gaussian_filter1d(rng.normal(size=(VOXELS, VOLUMES)), 0.8, axis=1)
    if events is not None:
        responses = event_regressors(events, VOLUMES, TR, "spm").to_numpy().T
        area = np.repeat(np.eye(4), VOXELS // 10, axis=0)  # two fifths of the voxels
        rows[: len(area)] += 1.5 * area @ (responses / responses.std(axis=1, keepdims=True))
    rows = rows @ kernel.T
    rows -= rows.mean(axis=1, keepdims=True)
    return (rows / rows.std(axis=1, keepdims=True)).astype(np.float32)


def train(folder: Path, kernel: np.ndarray, events: pd.DataFrame):
    """Models, towards each series itself and towards what runs share, and group dictionaries of the task."""
    from dca.model import load_model

    shards = []
    for number in range(TRAINING):
        rows = simulate(np.random.default_rng([1, number]), kernel, events)
        attributes = dict.fromkeys(("source", "mask", "source_sha256", "mask_sha256"), str(number))
        attributes |= {"run_id": f"sub-{number}", "subject": str(number), "tr": TR, "affine": np.eye(4)}
        attributes |= {"shape": (VOXELS, 1, 1), "space": None, "seed": 0, "preprocessing": {}, "excluded": {}}
        shards.append(folder / f"{number}.h5")
        order, ones = np.random.default_rng(number).permutation(VOXELS), np.ones(VOXELS)
        write_shard(
            shards[-1], [rows[order]], length=VOLUMES, voxel=order, mean=ones, std=ones, attributes=attributes
        )
    write_tsv(folder / "events.tsv", events, {})
    write_targets(dict.fromkeys(shards, folder / "events.tsv"), {}, folder / "targets")
    train_network(shards, folder / "train")
    train_network(shards, folder / "others", [folder / "targets" / shard.name for shard in shards])
    features = [folder / f"{number}_features.h5" for number in range(TRAINING)]
    for shard, out in zip(shards, features, strict=True):
        encode(shard, folder / "train/model", out, threads=1)
    learn_group(shards, folder / "raw", setup="raw", settings=SETTINGS)
    learn_group(features, folder / "dca", setup="dca", settings=SETTINGS, model_folder=folder / "train/model")
    models = [load_model(folder / name / "model").model for name in ("train", "others")]
    return models, [read_group(folder / "raw"), read_group(folder / "dca")]


def train_network(shards: list[Path], folder: Path, targets: Sequence[Path] = ()) -> None:
    """Train the small network."""
    from dca.train import TrainSettings
    from dca.train import train as train_model

    settings = {
        "mode": "single",
        "optimizer": "adam",
        "learning_rate": 0.002,
        "batch_size": 100,
        "epochs": 20,
        "target": "others" if targets else "own",
    }
    network = {"features": [8, 16, 16, 16], "filters": [9, 5, 5, 5], "hidden": 60, "switches": False}
    section, settings = load()["model"] | network, load()["train"] | settings
    train_model(
        shards, [], folder, section, TrainSettings.from_config(settings), 0, threads=1, targets=targets
    )


def of_features(rows: np.ndarray, model) -> tuple[np.ndarray, tuple]:
    """Codes, float32 (N, hidden), and decoded time courses with coefficients of their dictionary."""
    from dca.model import decode_atoms

    codes = np.concatenate([model.encode(rows[i : i + 100]).numpy() for i in range(0, VOXELS, 100)])
    columns = Columns(codes.copy(), "run", Path())
    mean = remove_mean_column(columns)
    fitted = fit(columns, SETTINGS)
    decoded = decode_atoms(model, fitted.atoms.dictionary, fitted.report["typical_norm"], mean)
    return codes, (time_courses(decoded), fitted.atoms.coefficients)


def of_series(rows: np.ndarray) -> tuple:
    """Time courses and coefficients of a dictionary of series."""
    atoms = fit(Columns(rows.copy(), "run", Path()), SETTINGS).atoms
    return time_courses(atoms.dictionary), atoms.coefficients


def decompositions(rows: np.ndarray, models, groups) -> dict[str, tuple]:
    """Time courses (T, K) and coefficients (K, N) of every setup."""
    own, others = models
    codes, dca = of_features(rows, own)
    found = {
        "raw": of_series(rows),
        "dca": dca,
        "others, dca": of_features(rows, others)[1],
        "others, dca-signal": of_series(others.predict_on_batch(rows)),
    }
    for group, matrix in zip(groups, (rows.copy(), codes), strict=True):
        columns = Columns(matrix, "run", Path())
        if group.mean is not None:
            subtract_column(columns, group.mean)
        normalise(columns, group.normalise)
        own = odl.encode(columns.matrix.T, group.dictionary, group.lam).matrix
        found[f"{group.setup}-group"] = (time_courses(regress_courses(Rows(rows), own)), own)
    return found


def without_task(run: int, kernel: np.ndarray) -> tuple[np.random.Generator, np.ndarray, pd.DataFrame]:
    """Generator, series and own order of one run; the same whenever it is asked for."""
    rng = np.random.default_rng([2, run])
    rows = simulate(rng, kernel, None)
    return rng, rows, task(rng)


def effect_map(rows: np.ndarray, kernel: np.ndarray, events: pd.DataFrame) -> np.ndarray:
    """Least-squares effect of the event in a run, shape (N,)."""
    table = event_regressors(events, VOLUMES, TR, "spm")
    design = (kernel @ table.to_numpy()).T[:, :, None]
    return rows @ effect_weights(design, list(table).index(EVENT), CONSTANT)[0]


def judge(null, found, sums, other: np.ndarray) -> list[tuple]:
    """One row per setup: p, held-out correlation and its p, p of the held-out maps and of the other run's."""
    run = Run(
        nulls={EVENT: null},
        halves=halve(VOLUMES),
        design=null.truth[:, None],
        nuisance=CONSTANT,
        sums=sums,
        maps={EVENT: other},  # for what is descriptive, and not kept
        others={EVENT: Reference(other, 1)},
    )
    rows = []
    for setup, part in found.items():
        (scores,) = score_setup(run, setup, Setup(*part))
        rows.append((setup, *(scores[name] for name in list(COLUMNS)[3:])))
    return rows


def read(out: Path) -> pd.DataFrame:
    """The table so far."""
    table = read_tsv(out)
    if list(table) != list(COLUMNS):
        raise SystemExit(f"{out} has other columns: it was made by another version; delete it")
    return table


def add(runs: int, out: Path) -> None:
    """Add the rows of runs that the table lacks; each is written as soon as it is there."""
    kernel = filter_columns(np.eye(VOLUMES), TR, HIGHPASS)
    shared = task(np.random.default_rng(7))
    options = {"hrf": "spm", "highpass_s": HIGHPASS, "count": SURROGATES}
    table = read(out) if out.is_file() else pd.DataFrame(columns=list(COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        models, groups = train(Path(folder), kernel, shared)
        for run in range(int(table["run"].max()) + 1 if len(table) else 0, runs):
            rng, rows, own = without_task(run, kernel)
            _, others, theirs = without_task(run + 1, kernel)
            found = decompositions(rows, models, groups)
            sums = VoxelSums(
                Rows(rows), {name: codes for name, (_, codes) in found.items()}, np.arange(VOLUMES)
            )
            new = []
            for design, events, other in (("a", own, theirs), ("b", shared, shared)):
                null = make_nulls(events, VOLUMES, TR, rng=rng, **options)[EVENT]
                judged = judge(null, found, sums, effect_map(others, kernel, other))
                new += [(run, row[0], design, *row[1:]) for row in judged]
            fresh = pd.DataFrame(new, columns=list(COLUMNS)).round(5)
            table = pd.concat([table, fresh]) if len(table) else fresh
            write_tsv(out, table, COLUMNS)


def uniformity(values: pd.Series) -> float:
    """Return p of a Kolmogorov-Smirnov test of p-values against the uniform distribution."""
    return float(kstest(values.dropna(), "uniform").pvalue)


def share(values: pd.Series) -> float:
    """Return percent of p-values at most 0.05."""
    return float(100 * (values.dropna() <= 0.05).mean())


def summarise(out: Path) -> None:
    """Tell how the p-values of every setup and design are distributed: the committed rows in the docs."""
    groups = read(out).groupby(["design", "setup"], sort=False)
    columns: dict[str, tuple[str, str]] = {"design": ("design", ""), "setup": ("setup", "")}
    found = {"runs": groups["run"].nunique(), "heldout_pcc": groups["heldout_pcc"].mean()}
    for name in ("p", "heldout_p", "heldout_r_p", "others_r_p"):
        found[name], found[f"{name}_uniform"] = groups[name].agg(share), groups[name].agg(uniformity)
        columns |= {name: (f"`{name}` ≤ 0.05, %", ".1f"), f"{name}_uniform": ("KS", ".2f")}
    columns |= {"heldout_pcc": ("mean `heldout_pcc`", "+.2f"), "runs": ("runs", "d")}
    table = markdown(pd.DataFrame(found).reset_index(), columns)
    if out == OUT:
        write_text(PAGE, replace(PAGE.read_text(encoding="utf-8"), "calibration", table))
    else:
        print(table)


def main() -> None:
    """Add runs, then write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    if not options.summary:
        add(options.runs, options.out)
    summarise(options.out)


if __name__ == "__main__":
    main()
