"""What the pipeline finds in the demo, against what was put in: the tables of docs/validation.md.

make demo && .venv/bin/python benchmarks/demo_truth.py [RESULTS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from dca.files import read_json, read_tsv
from dca.inputs import Run, read_runs
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_parameters, rms_displacement
from dca.simulate import layout
from dca.simulate.motion import matrices

ACTIVE = 0.5  # true weight above which a voxel counts as active


def volume(path: Path) -> np.ndarray:
    """Data of an image as float32."""
    return np.asarray(nib.load(path).dataobj, dtype=np.float32)


def motion_error(run: Run, results: Path) -> float:
    """RMS displacement in mm, over brain voxels and volumes, between true and estimated motion.

    Both are taken relative to the reference volume, whose position is nobody's to know.
    """
    mask = nib.load(layout.truth_mask_path(results / "demo", run.subject))
    points = nib.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj) > 0))
    table = read_tsv(layout.truth_motion_path(results / "demo", run.subject))
    centre = grid_centre(mask.affine, mask.shape)
    true = matrices(table[list(PARAMETERS)].to_numpy(), centre)
    found = read_tsv(results / "preprocess" / run.run_id / "confounds.tsv")[list(PARAMETERS)].to_numpy()
    reference = read_json(results / "preprocess" / run.run_id / "summary.json")["reference_volume"]
    estimated = matrices_from_parameters(found, centre)
    true = true @ np.linalg.inv(true[reference])
    estimated = estimated @ np.linalg.inv(estimated[reference])
    return float(np.sqrt(np.mean(rms_displacement(estimated, true, points) ** 2)))


def event_rows(run: Run, results: Path) -> list[dict[str, object]]:
    """GLM and atoms of every event of one run, held against the true weights."""
    mask = volume(results / "preprocess" / run.run_id / "mask.nii.gz") > 0
    table = read_tsv(results / "compare" / "runs" / f"{run.run_id}.tsv")
    rows = []
    for event in run.events:
        weights = volume(layout.truth_weights_path(results / "demo", run.subject, event))[mask]
        z = volume(results / "glm" / run.run_id / f"{event}_z.nii.gz")[mask]
        row: dict[str, object] = {
            "subject": run.subject,
            "event": event,
            "glm_auc": roc_auc_score(weights > ACTIVE, z),
            "glm_peak_z": z.max(),
            "glm_r": np.corrcoef(z, weights)[0, 1],
        }
        for setup in ("raw", "dca"):
            folder = results / "decompose" / setup / run.run_id
            number = next(
                m["volume"] for m in read_json(folder / "maps.json")["volumes"] if m["event"] == event
            )
            atom = volume(folder / "maps.nii.gz")[..., number][mask]
            row[f"{setup}_r"] = np.corrcoef(np.abs(atom), weights)[0, 1] if atom.any() else 0.0
            found = table[(table["setup"] == setup) & (table["event"] == event)].iloc[0]
            row |= {f"{setup}_{name}": found[name] for name in ("pcc", "null_mean", "p")}
        rows.append(row)
    return rows


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, numbers with three decimals."""
    cells = table.map(lambda value: f"{value:.3f}" if isinstance(value, float) else str(value))
    lines = [list(table.columns), ["---"] * table.shape[1], *cells.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print the tables."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    runs = read_runs(results / "inputs.tsv")
    motion = pd.DataFrame(
        {"subject": [r.subject for r in runs], "rms_mm": [motion_error(r, results) for r in runs]}
    )
    events = pd.DataFrame([row for run in runs for row in event_rows(run, results)])
    for column in events.columns[2:]:
        events[column] = events[column].astype(float)
    print(f"Motion: RMS voxel displacement from the truth\n\n{markdown(motion)}\n")
    by_event = events.drop(columns="subject").groupby("event", sort=False).mean().reset_index()
    print(f"Mean over {len(runs)} subjects\n\n{markdown(by_event)}\n")
    worst = events.groupby("event", sort=False)["glm_auc"].min().reset_index()
    print(f"Worst subject\n\n{markdown(worst)}")


if __name__ == "__main__":
    main()
