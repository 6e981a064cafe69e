"""A small results tree that keeps to docs/architecture.md: two task subjects, one at rest."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import sparse

from dca import config as settings
from dca.compare.atoms import ATOM_COLUMNS
from dca.compare.group import gather
from dca.compare.others import sum_maps
from dca.compare.pcc import correlate
from dca.compare.run import COLUMNS as COMPARE_COLUMNS
from dca.files import read_tsv, write_json, write_tsv
from dca.inputs.run import Run
from dca.report import write_index, write_subject, write_training
from dca.report.picture import Picture
from dca.signals import write_shard
from dca.train.history import HISTORY, TIMELINE

GRID, VOXEL_MM, T, TR, K = (12, 14, 12), 12.0, 64, 0.72, 12
EVENTS = ("cue", "left-finger", "tongue")
AFFINE = np.array([[-VOXEL_MM, 0, 0, 66], [0, VOXEL_MM, 0, -90], [0, 0, VOXEL_MM, -54], [0, 0, 0, 1.0]])


PACKAGES = ("niimath", "simpleitk", "horovod", "tensorflow", "keras", "spams", "nilearn")
PROVENANCE = {
    "dca": "0.1.0",
    "revision": "abc",
    "python": "3.11",
    "platform": "Linux",
    "config_sha256": "0" * 64,
    "packages": dict.fromkeys(PACKAGES),
    "seeds": {"master": 0},
}


@dataclass(frozen=True)
class Study:
    """A fabricated study."""

    results: Path
    config: dict
    runs: list[Run]

    def write(self, name: str, out: Path | None = None) -> Path:
        """Write one page, ``index``, ``training`` or a subject's, by default into the results."""
        out = out or self.results / "report" / f"{name}.html"
        if name == "index":
            write_index(out, self.runs, self.results, self.config, PROVENANCE)
        elif name == "training":
            write_training(out, self.results, self.config, PROVENANCE, self.results / "benchmarks")
        else:
            write_subject(out, name, self.runs, self.results, self.config, PROVENANCE)
        return out


@pytest.fixture(scope="session", name="fabricate")
def fabricate_fixture() -> Callable[..., Study]:
    """Write a study of one's own."""
    return _fabricate


@pytest.fixture(scope="session")
def rename() -> Callable[[Study], tuple[Study, str]]:
    """Give the first run of a study a name that is HTML, and its files that name; the study and the name."""
    return _rename


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Subjects 01 and 02 with a task, subject 03 at rest, and their report. Not to be changed."""
    study = _fabricate(tmp_path_factory.mktemp("finished") / "results")
    for name in ("index", "training", *sorted({run.subject for run in study.runs})):
        study.write(name)
    return study


@pytest.fixture(scope="session")
def pages(finished: Study) -> dict[str, Path]:
    """Pages of the finished study by name."""
    return {path.stem: path for path in sorted((finished.results / "report").glob("*.html"))}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with one event. Not to be changed."""
    return _fabricate(tmp_path_factory.mktemp("small") / "results", events=EVENTS[:1])


@pytest.fixture
def sketched(small: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of one's own with one event, whose pictures are not drawn: for tests of text."""
    sketch = Picture(b"", 1, 1, "a sketch")
    for name in ("motion", "motion_overview", "time_courses", "excess"):
        monkeypatch.setattr(f"dca.report.charts.draw_{name}", lambda *_: sketch)
    monkeypatch.setattr("dca.report.training_charts.draw_losses", lambda *_: sketch)
    monkeypatch.setattr("dca.report.components.Sections.picture", lambda self, *_: np.zeros((*self.size, 3)))
    for module in ("events", "group_maps"):
        monkeypatch.setattr(f"dca.report.{module}.draw_map", lambda *_: sketch)
    for name in ("reconstructions", "features"):
        monkeypatch.setattr(f"dca.report.features.draw_{name}", lambda *_: sketch)
    monkeypatch.setattr("dca.report.subject.draw_mask", lambda *_, **__: sketch)
    shutil.copytree(small.results, tmp_path / "results")
    return Study(tmp_path / "results", copy.deepcopy(small.config), small.runs)


def _fabricate(results: Path, events: tuple[str, ...] = EVENTS) -> Study:
    """Write a results tree; `events` name the events of the task subjects."""
    config = settings.resolve(
        {
            "decompose": {"atoms": K},
            "glm": {"contrasts": {"hands": {events[0]: 1}}},
            "report": {"formats": [], "viewers": False},  # quicker
        }
    )
    runs = [
        _run(results, "01", "train", events),
        _run(results, "02", "validation", events),
        _run(results, "03", "train", ()),
    ]
    for number, run in enumerate(runs):
        _write_run(results, run, np.random.default_rng(number))
    tables = [results / "compare" / "runs" / f"{run.run_id}.tsv" for run in runs if run.events]
    gather(tables, results / "compare" / "pcc.tsv", results / "compare" / "group.tsv")
    sum_maps([results / "glm" / run.run_id for run in runs if run.events], results / "compare" / "z_sums.h5")
    _write_training(results / "train", np.random.default_rng(9))
    _write_scaling(results / "benchmarks")
    return Study(results, config, runs)


def _rename(study: Study) -> tuple[Study, str]:
    old, new = study.runs[0], "sub-01_\"><img src=x onerror=alert(3)>'%20#?"
    for path in sorted(study.results.rglob(f"{old.run_id}*"), reverse=True):
        path.rename(path.with_name(path.name.replace(old.run_id, new)))
    return replace(study, runs=[replace(old, run_id=new), *study.runs[1:]]), new


def _run(results: Path, subject: str, split: str, events: tuple[str, ...]) -> Run:
    task = "motor" if events else "rest"
    run_id = f"sub-{subject}_task-{task}"
    bold = results / f"{run_id}_bold.nii.gz"
    return Run(
        run_id, subject, None, task, None, split, TR, T, bold, None, events, None, None, "MNI152NLin6Asym"
    )


def _write_run(results: Path, run: Run, rng: np.random.Generator) -> None:
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID), indexing="ij")
    brain = x**2 + y**2 + z**2 < 0.8
    _write_preprocessing(results / "preprocess" / run.run_id, brain, rng)
    voxel = np.flatnonzero(brain)
    rows = rng.permutation(voxel)
    write_shard(
        results / "signals" / f"{run.run_id}.h5",
        [rng.standard_normal((len(rows), T)).astype(np.float32)],
        length=T, voxel=rows, mean=np.full(len(rows), 100.0), std=np.ones(len(rows)),
        attributes={
            "run_id": run.run_id, "subject": run.subject, "tr": TR, "affine": AFFINE, "shape": GRID,
            "space": run.space, "seed": 0, "source": "bold", "mask": "mask", "source_sha256": "0",
            "mask_sha256": "0", "preprocessing": {}, "excluded": {"constant": 3, "non-finite": 0},
        },
    )  # fmt: skip
    design = _design(run.events, rng)
    for setup in ("raw", "dca"):
        _write_dictionary(results / "decompose" / setup / run.run_id, run, design, brain, rng)
    _write_features(results / "features", run, len(voxel), rng)
    if run.events:
        _write_task(results, run, design, brain, rng)


def _write_preprocessing(folder: Path, brain: np.ndarray, rng: np.random.Generator) -> None:
    mean = np.where(brain, 800 + 100 * rng.standard_normal(GRID), 20).astype(np.float32)
    _save(folder / "mean.nii.gz", mean)
    _save(folder / "mask.nii.gz", brain.astype(np.uint8))
    motion = 0.02 * np.cumsum(rng.standard_normal((T, 6)), axis=0) * [1, 1, 1, 0.02, 0.02, 0.02]
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    table = pd.DataFrame(motion, columns=names)
    table["framewise_displacement"] = np.r_[np.nan, 0.1 * rng.gamma(2, 0.5, T - 1)]
    table["dvars"], table["std_dvars"] = 20.0, 1 + 0.1 * rng.standard_normal(T)
    table["global_signal"] = 100.0
    write_tsv(folder / "confounds.tsv", table, {})
    steps = [
        {"step": "motion", "niimath": "1.0"},
        {"step": "bias", "simpleitk": "2.5.7"},
        {"step": "scale", "target": 10000.0},
        {"step": "highpass", "highpass_s": 100, "niimath": "1.0"},
    ]
    write_json(folder / "summary.json", {"backend": "native", "steps": steps})
    figure = Figure(figsize=(6, 2))
    figure.subplots().imshow(rng.standard_normal((100, T)), cmap="gray", aspect="auto")
    for name in ("carpet", "tsnr"):
        for suffix in ("png", "svg", "pdf"):
            figure.savefig(folder / f"{name}.{suffix}")


def _design(events: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    table = pd.DataFrame({event: np.convolve(rng.random(T) < 0.08, np.hanning(15))[:T] for event in events})
    return table.assign(constant=1.0)


def _write_dictionary(
    folder: Path, run: Run, design: pd.DataFrame, brain: np.ndarray, rng: np.random.Generator
) -> None:
    atoms = rng.standard_normal((T, K))
    for number, event in enumerate(run.events):
        atoms[:, number] += 3 * design[event]
    atoms /= np.linalg.norm(atoms, axis=0)
    columns = [f"atom_{k:03d}" for k in range(K)]
    write_tsv(folder / "dictionary.tsv", pd.DataFrame(atoms, columns=columns), {"atom_*": "Unit norm"})
    _write_codes(folder, brain, rng)
    kept = list(enumerate(run.events)) or [(0, None), (1, None)]
    weights = [np.where(brain & (rng.random(GRID) < 0.3), rng.gamma(2, 1, GRID), 0) for _ in kept]
    _save(folder / "maps.nii.gz", np.stack(weights, axis=-1).astype(np.float32))
    volumes = [{"volume": k, "atom": columns[k], "index": k, "sign": 1, "event": event} for k, event in kept]
    write_json(folder / "maps.json", {"volumes": volumes})
    summary = {
        "atoms": K, "normalise": "unit", "lambda": 0.15, "versions": {"spams": "2.6"},
        "density_percent": 31.0, "voxels_without_code": 2, "unused_atoms": 0, "r2": 0.4,
        "warnings": ["31 % of the coefficients are not zero"],
    }  # fmt: skip
    write_json(folder / "summary.json", summary)


def _write_codes(folder: Path, brain: np.ndarray, rng: np.random.Generator) -> None:
    """Coefficients of as many voxels as the shard has: a fifth of them used."""
    codes = sparse.random_array((K, int(brain.sum())), density=0.2, rng=rng, dtype=np.float32, format="csr")
    sparse.save_npz(folder / "coefficients.npz", codes)


def _write_features(folder: Path, run: Run, voxels: int, rng: np.random.Generator) -> None:
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / f"{run.run_id}.h5", "w") as file:
        file["H"], file["voxel"] = rng.standard_normal((voxels, 16)).astype(np.float32), np.arange(voxels)
        file.attrs.update(run_id=run.run_id, model_sha256="0")
    table, said = {"time_s": TR * np.arange(T)}, {}
    for name, r in (("best", 0.9), ("median", 0.5), ("worst", -0.1)):
        table[name] = rng.standard_normal(T)
        table[f"{name}_model"] = r * table[name]
        said[name] = {"r": r, "position_mm": [6.0, -12.0, 30.0], "voxels": 64}
    write_tsv(folder / f"{run.run_id}_reconstruction.tsv", pd.DataFrame(table), said)


def _write_task(
    results: Path, run: Run, design: pd.DataFrame, brain: np.ndarray, rng: np.random.Generator
) -> None:
    folder = results / "glm" / run.run_id
    write_tsv(folder / "design.tsv", design, {})
    for number, name in enumerate((*run.events, "hands")):
        z = rng.standard_normal(GRID)
        z[3 + number % 6, 5:8, 5:8] += 7
        _save(folder / f"{name}_z.nii.gz", np.where(brain, z, 0).astype(np.float32))
    maps = {name: {"peak_z": 7.0} for name in (*run.events, "hands")}
    summary = {
        "volumes": T, "maps": maps, "space": run.space, "events": list(run.events),
        "hrf": "spm", "noise": "ar1", "drift": "filter", "versions": {"nilearn": "0.12"},
        "confounds": ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"],
    }  # fmt: skip
    write_json(folder / "summary.json", summary)
    rows = [
        {
            "run_id": run.run_id, "subject": run.subject, "split": run.split, "setup": setup, "event": event,
            "learnt_with": "run",
            "atom": number, "sign": 1 if number % 2 else -1, "pcc": 0.6, "null_mean": 0.4 + 0.02 * number,
            "null_sd": 0.04, "null_p95": 0.55, "p": 0.01 * (1 + number), "surrogates": 1000, "distinct": 1000,
            "null": "order", "spatial_r": 0.4, "dice": 0.3,
        }
        for setup in ("raw", "dca") for number, event in enumerate(run.events)
    ]  # fmt: skip
    write_tsv(
        results / "compare" / "runs" / f"{run.run_id}.tsv",
        pd.DataFrame(rows, columns=list(COMPARE_COLUMNS)),
        COMPARE_COLUMNS,
    )
    folders = {setup: results / "decompose" / setup / run.run_id for setup in ("raw", "dca")}
    dictionaries = {name: read_tsv(folder / "dictionary.tsv").to_numpy() for name, folder in folders.items()}
    judged = _judge_atoms(run, design, dictionaries)
    write_tsv(results / "compare" / "atoms" / f"{run.run_id}.tsv", judged, ATOM_COLUMNS)


def _judge_atoms(run: Run, design: pd.DataFrame, dictionaries: dict[str, np.ndarray]) -> pd.DataFrame:
    """PCC of every atom; the p are made up, smaller where the PCC is larger."""
    tables = []
    for setup, atoms in dictionaries.items():
        for event, row in zip(run.events, correlate(atoms, design[list(run.events)].to_numpy()), strict=True):
            size = np.abs(row)
            rank = size.argsort()[::-1].argsort()
            columns = {
                "atom": np.arange(K),
                "pcc": row,
                "p": 0.01 * (1 + rank),
                "p_corrected": (1 + rank) / K,
            }
            tables.append(pd.DataFrame(columns).assign(setup=setup, event=event))
    key = {"run_id": run.run_id, "subject": run.subject, "split": run.split}
    return pd.concat(tables).assign(**key)[list(ATOM_COLUMNS)]


def _write_training(folder: Path, rng: np.random.Generator) -> None:
    steps = np.arange(1, 201)
    loss = 30 + 100 * np.exp(-steps / 25) + rng.random(200)
    history = pd.DataFrame(
        {
            "step": steps,
            "epoch": 0,
            "worker": steps % 2,
            "time_s": 0.4 * steps,
            "loss": loss,
            "samples": 100 * steps,
            "staleness": rng.poisson(1, len(steps)),
            "stall": np.where(steps <= 20, 0.5, 0.0),
            "split": "train",
        }
    )
    validation = history.iloc[9::10].assign(
        split="validation", worker=np.nan, loss=lambda rows: rows["loss"] + 2
    )
    write_tsv(
        folder / "history.tsv", pd.concat([history, validation]).reindex(columns=list(HISTORY)), HISTORY
    )
    spans = [
        {"worker": worker, "phase": phase, "start_s": start, "end_s": start + 0.3, "step": step}
        for worker in (0, 1) for step in range(50)
        for phase, start in (("compute", 0.6 * step), ("exchange", 0.6 * step + 0.3))
    ]  # fmt: skip
    spans.append({"worker": np.nan, "phase": "validate", "start_s": 3, "end_s": 5, "step": 9})
    write_tsv(folder / "timeline.tsv", pd.DataFrame(spans), TIMELINE)
    counts = {"workers": 2, "updates": 200, "train_runs": 2, "train_rows": 900, "batch_size": 9}
    summary = {"mode": "downpour", **counts, "validation": "subjects", "wall_s": 80.0}
    write_json(folder / "summary.json", summary)
    given = {"servers": 1, "optimizer": "adagrad", "learning_rate": 0.01}
    card = {"schema": 1, "architecture": {}, "weights_sha256": "0", "tr": TR, "config": {"train": given}}
    write_json(
        folder / "model" / "card.json", card | {"versions": {"tensorflow-cpu": "2.21", "keras": "3.15"}}
    )
    lag = np.arange(21) - 10
    kernels = np.stack([np.cos(0.05 * f * lag) * np.exp(-((lag / 7) ** 2)) for f in range(32)], axis=-1)
    with h5py.File(folder / "model" / "model.weights.h5", "w") as file:
        file["encoder/conv1d/vars/0"] = kernels[:, None, :].astype(np.float32)
        file["encoder/conv1d_1/vars/0"] = rng.standard_normal((9, 32, 64)).astype(np.float32)
        file["encoder/dense/vars/0"] = np.zeros((8, 8), np.float32)


def _write_scaling(folder: Path) -> None:
    rows = [
        {"workers": workers, "servers": 1, "overlap": overlap, "compute_s": length, "speedup": 0.9 * workers}
        for workers in (1, 4, 13) for overlap in (False, True) for length in (0.5, 1.0)
    ]  # fmt: skip
    write_tsv(folder / "scaling.tsv", pd.DataFrame(rows), {})
    row = {"mode": "downpour", "workers": 2, "warmup": True, "target": 3, "reached": "3 of 3"}
    ratios = {"speedup": 0.6, "updates_ratio": 1.4, "rows_ratio": 1.4}
    write_tsv(folder / "equal-loss.tsv", pd.DataFrame([{**row, **ratios}]), {})
    steps = pd.DataFrame({"what": "dca step", "threads": [1, 2], "median": [90.0, 180.0]})
    write_tsv(folder / "step.tsv", steps, {})


def _save(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
