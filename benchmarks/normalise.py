"""Measure normalisation to the template on a head that is the template, bent and moved in a known way.

    python benchmarks/normalise.py [--bend 0 2 4] [--voxel 3] [--out benchmarks/results/normalise.tsv]

The template gets the contrast of an EPI (grey matter brighter than white), a smooth random deformation of
the given size (RMS over the brain), a turn of 12 degrees with a change of size and a shift, noise of 2 % and
a mask. Both registrations of backend `native` then look for the way back. Columns: mm, RMS distance over the
brain between where a point of the template is and where it was found; before_mm, the same for the true
affine, so what bending alone would leave; smallest, the smallest ratio of volumes; cpu_s.
`benchmarks/table.py` makes the table of docs/preprocessing.md from it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from dca.preprocess.register import register_to_template
from dca.preprocess.template import template_image, template_mask
from dca.preprocess.warp import volume_ratio, warp_to_template

EXTENT_MM = np.array([180.0, 216.0, 180.0])
DETAIL_MM = 24.0  # standard deviation of the Gaussian that smooths the random deformation


def true_affine() -> np.ndarray:
    """From the template to the head, in mm."""
    matrix = np.eye(4)
    turn = Rotation.from_euler("xyz", [12, -4, 5], degrees=True).as_matrix()
    matrix[:3, :3] = turn @ np.diag([1.05, 0.93, 1.02])
    matrix[:3, 3] = [4, -9, 7]
    return matrix


def simulate(folder: Path, bend_mm: float, voxel_mm: float, seed: int) -> np.ndarray:
    """Write mean.nii and mask.nii of the head; return the deformation (X, Y, Z, 3) on the template's grid."""
    template, rng = template_image(2), np.random.default_rng(seed)
    data, brain = np.asarray(template.dataobj, dtype=np.float32), np.asarray(template_mask(2).dataobj) > 0
    bend = np.stack([gaussian_filter(rng.standard_normal(data.shape), DETAIL_MM / 2) for _ in range(3)], -1)
    bend *= bend_mm / np.sqrt(np.square(bend[brain]).sum(axis=1).mean())
    affine = np.diag([-voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = [EXTENT_MM[0] / 2, -EXTENT_MM[1] / 2 - 10, -EXTENT_MM[2] / 2 + 20]
    points = np.indices((EXTENT_MM / voxel_mm).astype(int))
    points = np.tensordot(affine[:3, :3], points, 1) + affine[:3, 3, None, None, None]
    back = np.linalg.inv(true_affine())
    goal = np.tensordot(back[:3, :3], points, 1) + back[:3, 3, None, None, None]  # where x + bend(x) must lie
    index, point = np.linalg.inv(template.affine), goal
    for _ in range(20):
        at = np.tensordot(index[:3, :3], point, 1) + index[:3, 3, None, None, None]
        moved = [map_coordinates(bend[..., axis], at, order=1, mode="nearest") for axis in range(3)]
        point = goal - np.stack(moved)
    at = np.tensordot(index[:3, :3], point, 1) + index[:3, 3, None, None, None]
    epi = gaussian_filter(np.where(data > 0.05, 1.3 - data / data.max(), 0) * 100, voxel_mm / 2.355 / 2)
    head = map_coordinates(epi, at, order=1) + rng.normal(0, 2, at.shape[1:])
    inside = map_coordinates(brain.astype(np.float32), at, order=1) > 0.5
    nib.save(nib.Nifti1Image(head.astype(np.float32), affine), folder / "mean.nii")
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), affine), folder / "mask.nii")
    return bend


def measure(bend_mm: float, voxel_mm: float, seed: int) -> list[dict[str, object]]:
    """Rows of both registrations of one head."""
    template, brain = template_image(2), np.asarray(template_mask(2).dataobj) > 0
    points = np.argwhere(brain) @ template.affine[:3, :3].T + template.affine[:3, 3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bend = simulate(folder, bend_mm, voxel_mm, seed)
        files = [folder / file for file in ("mean.nii", "mask.nii", "affine.txt", "warp.nii.gz")]
        times = [time.process_time()]
        register_to_template(*files[:3])
        times.append(time.process_time())
        warp_to_template(*files)
        times.append(time.process_time())
        matrix, field = np.loadtxt(files[2]), np.asarray(nib.load(files[3]).dataobj)[:, :, :, 0]

    def moved(transform: np.ndarray, shift: np.ndarray | float) -> np.ndarray:
        return (points + shift) @ transform[:3, :3].T + transform[:3, 3]

    truth = moved(true_affine(), bend[brain])

    def error(found: np.ndarray) -> float:
        return float(np.sqrt(np.square(found - truth).sum(axis=1).mean()))

    before = error(moved(true_affine(), 0.0))
    shared = {"voxel_mm": voxel_mm, "bend_mm": bend_mm, "before_mm": before}
    found = (error(moved(matrix, 0.0)), error(moved(matrix, field[brain])))
    smallest = (1.0, float(volume_ratio(field, template.affine)[brain].min()))
    spent = np.diff(times)
    return [
        shared | {"method": method, "mm": mm, "smallest": ratio, "cpu_s": float(cpu)}
        for method, mm, ratio, cpu in zip(("affine", "nonlinear"), found, smallest, spent, strict=True)
    ]


def main() -> None:
    """Measure all sizes, and print or keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bend", type=float, nargs="+", default=[0.0, 2.0, 4.0])
    parser.add_argument("--voxel", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [row for bend in options.bend for row in measure(bend, options.voxel, options.seed)]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="%.3g"))
    if options.out:
        table.to_csv(options.out, sep="\t", index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
