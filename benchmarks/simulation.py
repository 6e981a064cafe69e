"""Measure the simulated data against what it promises: tSNR, BOLD change, z and ROC per event.

    python benchmarks/simulation.py FOLDER --subjects 4 --seed 0 [--correction native]

Simulates into FOLDER, undoes the head motion (by the true transforms, by `dca.preprocess`, or not at
all), fits nilearn's FirstLevelModel with the six motion parameters, and prints one row per subject
and event.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.glm.first_level import FirstLevelModel
from nilearn.glm.first_level.design_matrix import make_first_level_design_matrix
from scipy.stats import rankdata

from dca.files import read_tsv
from dca.preprocess.motion import correct_motion
from dca.preprocess.rigid import rms_displacement
from dca.simulate import Scenario, layout, simulate_dataset
from dca.simulate.motion import PARAMETERS, Mover, grid_centre, matrices


def undo_motion(image: nib.Nifti1Image, motion: np.ndarray) -> nib.Nifti1Image:
    """Resample every volume to the position of the first."""
    data = image.get_fdata(dtype=np.float32)
    mover = Mover(data[..., 0], image.affine, reach_mm=3.0)
    back = np.linalg.inv(matrices(motion, grid_centre(image.affine, image.shape)))
    still = np.stack([mover(data[..., t], back[t]) for t in range(len(back))], axis=-1)
    return nib.Nifti1Image(still, image.affine, image.header)


def correct_natively(folder: Path, label: str) -> tuple[nib.Nifti1Image, np.ndarray]:
    """Image and motion parameters as `dca.preprocess` makes them."""
    out = folder / "corrected"
    out.mkdir(exist_ok=True)
    names = [out / f"sub-{label}_{name}" for name in ("bold.nii.gz", "motion.tsv", "mean.nii.gz")]
    correct_motion(layout.bold_path(folder, label), *names)
    return nib.load(names[0]), read_tsv(names[1])[list(PARAMETERS)].to_numpy()


def motion_error(estimate: np.ndarray, truth: np.ndarray, mask: nib.Nifti1Image) -> float:
    """RMS displacement of brain voxels in mm, both motions relative to the first volume."""
    centre = grid_centre(mask.affine, mask.shape)
    found, true = matrices(estimate, centre), matrices(truth, centre)
    points = np.argwhere(np.asarray(mask.dataobj) > 0) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    off = rms_displacement(found @ np.linalg.inv(found[0]), true, points)
    return float(np.sqrt(np.mean(off**2)))


def auc(z: np.ndarray, weights: np.ndarray) -> float:
    """Area under the ROC curve of z for weights > 0.5 against weights < 0.05."""
    true, false = z[weights > 0.5], z[weights < 0.05]
    ranks = rankdata(np.concatenate([true, false]))[: len(true)]
    return float((ranks.sum() - len(true) * (len(true) + 1) / 2) / (len(true) * len(false)))


def measure(folder: Path, label: str, tr: float, correction: str) -> pd.DataFrame:
    """Rows of one subject."""
    motion = read_tsv(layout.truth_motion_path(folder, label))
    image, regressors = nib.load(layout.bold_path(folder, label)), motion.to_numpy()
    mask = nib.load(layout.truth_mask_path(folder, label))
    error = 0.0
    if correction == "true":
        image = undo_motion(image, regressors)
    elif correction == "native":
        image, regressors = correct_natively(folder, label)
        error = motion_error(regressors, motion.to_numpy(), mask)
    inside = np.asarray(mask.dataobj) > 0
    events = read_tsv(layout.events_path(folder, label))
    times = np.arange(image.shape[-1]) * tr
    design = make_first_level_design_matrix(
        times, events, hrf_model="spm", high_pass=0.01, add_regs=regressors, add_reg_names=PARAMETERS
    )
    model = FirstLevelModel(
        t_r=tr, mask_img=mask, noise_model="ar1", signal_scaling=False, standardize=False
    ).fit(image, design_matrices=design)
    series = np.asarray(image.dataobj)[inside].T
    mean = series.mean(axis=0)
    nuisance = design.drop(columns=list(layout.EVENTS)).to_numpy()
    residual = series - nuisance @ np.linalg.lstsq(nuisance, series, rcond=None)[0]
    tsnr = np.median(mean / residual.std(axis=0))
    rows = []
    for event in layout.EVENTS:
        found = model.compute_contrast(event, output_type="all")
        z = found["z_score"].get_fdata()[inside]
        weights = nib.load(layout.truth_weights_path(folder, label, event)).get_fdata()[inside]
        change = found["effect_size"].get_fdata()[inside] * design[event].max() / mean * 100
        rows.append(
            {
                "subject": label,
                "event": event,
                "tsnr": tsnr,
                "voxels": int((weights > 0.5).sum()),
                "change": change[weights > 0.8].mean(),
                "peak_z": z[weights > 0.5].max(),
                "mean_z": z[weights > 0.5].mean(),
                "null_mean": z[weights < 0.05].mean(),
                "null_sd": z[weights < 0.05].std(),
                "auc": auc(z, weights),
                "motion_error": error,
                "max_mm": motion.iloc[:, :3].abs().to_numpy().max(),
                "max_deg": np.rad2deg(motion.iloc[:, 3:].abs().to_numpy().max()),
                "fd": (motion.diff().abs().mul([1, 1, 1, 50, 50, 50]).sum(axis=1).iloc[1:].mean()),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Simulate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--subjects", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--voxel-mm", type=float, default=5.0)
    parser.add_argument("--motion-mm", type=float, default=Scenario.motion_mm)
    parser.add_argument("--correction", choices=("true", "native", "none"), default="true")
    options = parser.parse_args()
    scenario = Scenario(voxel_mm=options.voxel_mm, motion_mm=options.motion_mm)
    start = time.perf_counter()
    simulate_dataset(options.folder, options.subjects, options.seed, scenario)
    print(f"{(time.perf_counter() - start) / options.subjects:.1f} s per subject")
    labels = layout.subject_labels(options.subjects)
    rows = pd.concat(measure(options.folder, label, scenario.tr, options.correction) for label in labels)
    print(rows.round(3).to_string(index=False))
    numbers = rows.drop(columns="subject").groupby("event", sort=False)
    print(numbers.agg(["min", "mean", "max"])[["change", "peak_z", "auc"]].round(3).to_string())


if __name__ == "__main__":
    main()
