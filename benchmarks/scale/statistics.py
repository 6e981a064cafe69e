"""The GLM of a run, the sums of z maps of many, and what numbers of 16 bits change."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import nibabel as nib
import nilearn.glm.first_level  # noqa: F401  what it takes itself is no growth
import numpy as np
import pandas as pd

from dca.compare import sum_maps
from dca.files import read_tsv, write_json
from dca.glm import fit_run
from dca.signals import Shard, write_shard
from scale.run import TR, Options, measure, table

EVENTS = ["cue", "lf", "lh", "rf", "rh", "t"]
RUNS = (4, 40)
ROWS = 4000  # of which z is compared
PHI = 0.4  # of the noise in these


def write_events(folder: Path, volumes: int) -> Path:
    """Blocks of six events as in HCP's motor task, as far as the run reaches."""
    onsets = np.arange(8.0, max(volumes * TR - 12, 20), 15)
    lines = [f"{onset}\t12\t{EVENTS[i % len(EVENTS)]}\n" for i, onset in enumerate(onsets)]
    (folder / "events.tsv").write_text("onset\tduration\ttrial_type\n" + "".join(lines))
    return folder / "events.tsv"


def fit(folder: Path) -> None:
    """Fit the shard, as the rule does with backend none."""
    fit_run(folder / "run.h5", folder / "events.tsv", None, folder / "glm", filtered=False)


def glm(options: Options) -> pd.DataFrame:
    """Time and memory of one fit with AR(1) noise and six events."""
    with Shard(options.shard()) as shard:
        write_events(options.folder, shard.length)
    return table({"GLM of a run": measure(fit, options.folder, 1)}, options.run_mb()).drop(columns="ratio")


def sums(options: Options) -> pd.DataFrame:
    """The sums of the z maps of few and of many runs; `grown_x` as everywhere, of one run's series."""
    source = options.folder / "maps" / "0"
    if not source.exists():
        make_maps(options.folder / "mask.nii.gz", source)
    for i in range(1, max(RUNS)):
        other = source.with_name(str(i))
        other.mkdir(exist_ok=True)
        for file in source.iterdir():
            if not (other / file.name).exists():
                os.link(file, other / file.name)
    works = {f"{n} runs": functools.partial(add_up, runs=n) for n in RUNS}
    rows = {name: measure(work, options.folder, options.repeat) for name, work in works.items()}
    return table(rows, options.run_mb()).drop(columns="ratio")


def make_maps(mask: Path, folder: Path) -> None:
    """Write the z maps of one run, of noise."""
    folder.mkdir(parents=True)
    image, rng = nib.load(mask), np.random.default_rng(0)
    inside = np.asarray(image.dataobj) > 0
    write_json(folder / "summary.json", {"space": "MNI152NLin6Asym", "events": EVENTS})
    for event in EVENTS:
        z = np.where(inside, rng.standard_normal(inside.shape), 0).astype(np.float32)
        nib.save(nib.Nifti1Image(z, image.affine), folder / f"{event}_z.nii.gz")


def add_up(folder: Path, runs: int) -> None:
    """Add up the maps of so many runs, as the rule does."""
    sum_maps([folder / "maps" / str(i) for i in range(runs)], folder / "z_sums.h5")


def float16(options: Options) -> pd.DataFrame:
    """Errors of z-scored series stored in 16 bits, and of z of a GLM with AR(1) noise on them."""
    with Shard(options.few_rows(ROWS)) as shard:
        series, about = noisy(shard.read(0, shard.n_voxels)), shard.attributes
        columns = {name: getattr(shard, name) for name in ("voxel", "mean", "std")}
    events = write_events(options.folder, series.shape[1])
    named = {name: value for name, value in about.items() if name != "schema"}
    z, stored = {}, {}
    for bits in ("float32", "float16"):
        path, out = options.folder / f"{bits}.h5", options.folder / bits
        write_shard(path, [series], length=series.shape[1], attributes=named, storage=bits, **columns)
        fit_run(path, events, None, out, filtered=False)
        with Shard(path) as shard:
            stored[bits] = shard.read(0, shard.n_voxels)
            names = read_tsv(events)["trial_type"].unique()
            maps = [nib.load(out / f"{event}_z.nii.gz").get_fdata().ravel()[shard.voxel] for event in names]
            z[bits] = np.stack(maps)
    errors = {
        "value": np.abs(stored["float16"] - stored["float32"]),
        "z": np.abs(z["float16"] - z["float32"]),
    }
    return pd.DataFrame(
        [
            {
                "of": name,
                "numbers": error.size,
                "largest": f"{error.max():.4f}",
                "p999": f"{np.quantile(error, 0.999):.4f}",
                "rms": f"{np.sqrt(np.mean(error**2)):.5f}",
            }
            for name, error in errors.items()
        ]
    )


def noisy(series: np.ndarray) -> np.ndarray:
    """Make white noise autoregressive, z-scored."""
    from scipy.signal import lfilter

    coloured = lfilter([1], [1, -PHI], series.astype(np.float64), axis=1)
    coloured -= coloured.mean(axis=1, keepdims=True)
    return (coloured / coloured.std(axis=1, keepdims=True)).astype(np.float32)
