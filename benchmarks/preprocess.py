"""Measure motion correction on known motion: accuracy, time, memory and leak of activation.

    python benchmarks/preprocess.py [--voxel 3 2] [--amplitude 0.1 0.5 1 2 5] [--volumes 24] [--method native]
        [--out benchmarks/results/motion.tsv]

With --out rows go to a table, in place of those of the same voxel size, amplitude and method;
`benchmarks/table.py` makes the table of docs/preprocessing.md from it.

A brain (nilearn's MNI152 template, blurred to the voxel size) is sampled on a grid in positions that are
known exactly, with activation of 2 % in blocks and noise (mean brain intensity / standard deviation = 100).
Translations and rotations are drawn evenly from ± the amplitude, in mm and degrees. Every method runs in a
process of its own. A method whose package is not installed is skipped and said to be.

Columns of the printed table: mm, RMS displacement of the brain's voxels between found and true position,
relative to the reference volume; deg, RMS angle between both; leak_mm, the part of the error of any
translation that follows the blocks (on minus off; rotations as arcs on 50 mm); cost, CPU time per volume over
that of one order-3 `scipy.ndimage.affine_transform` of such a volume in the same process; peak_mb, the
largest memory of the process or its children, as multiple of the float32 run in peak_x.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dca.files import read_tsv
from dca.preprocess.motion import correct_motion
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_parameters, rms_displacement

SNR = 100
ACTIVATION = 0.02
BLOCK = 4  # volumes
HEAD_MM = 50.0


def simulate(
    voxel_mm: float, amplitude: float, length: int, path: Path, template_mm: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Write a moving run; return its matrices (T, 4, 4) and the brain's points (M, 3) in mm."""
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=template_mm)
    still = template.get_fdata(dtype=np.float32)
    still = ndimage.gaussian_filter(100 * still / still[still > 0].mean(), voxel_mm / 2.355 / template_mm)
    inverse = np.linalg.inv(template.affine)
    blob = np.moveaxis(np.indices(still.shape), 0, -1) @ template.affine[:3, :3].T + template.affine[:3, 3]
    active = still * np.exp(-np.square(blob - [0, -85, 5]).sum(-1) / (2 * 12**2)).astype(np.float32)
    smooth = [ndimage.spline_filter(part, 3, output=np.float32) for part in (still, active)]

    shape = tuple(round(side / voxel_mm) for side in (200, 230, 190))
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = np.array([0, -17, 8]) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    points = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3) @ affine[:3, :3].T + affine[:3, 3]
    rng = np.random.default_rng([round(10 * voxel_mm), round(10 * amplitude)])
    parameters = rng.uniform(-amplitude, amplitude, (length, 6))
    parameters[:, 3:] = np.deg2rad(parameters[:, 3:])
    truth = matrices_from_parameters(parameters, grid_centre(affine, shape))
    data = np.empty((*shape, length), np.float32)
    for t, matrix in enumerate(truth):
        at = inverse @ np.linalg.inv(matrix)
        index = (points @ at[:3, :3].T + at[:3, 3]).T
        parts = [ndimage.map_coordinates(part, index, order=3, prefilter=False) for part in smooth]
        data[..., t] = (parts[0] + ACTIVATION * blocks(length)[t] * parts[1]).reshape(shape)
    data += rng.normal(0, 100 / SNR, data.shape).astype(np.float32)
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    index = (points @ inverse[:3, :3].T + inverse[:3, 3]).T
    inside = ndimage.map_coordinates(still, index, order=1) > 40
    return truth, points[inside]


def blocks(length: int) -> np.ndarray:
    """0 and 1 in turns of `BLOCK` volumes."""
    return (np.arange(length) // BLOCK % 2).astype(float)


def native(path: Path, folder: Path) -> tuple[np.ndarray, int]:
    """`dca.preprocess.motion`: parameters as matrices, and the reference volume."""
    names = [folder / name for name in ("moco.nii", "motion.tsv", "mean.nii")]
    record = correct_motion(path, *names)
    image = nib.load(path)
    rows = read_tsv(names[1])[list(PARAMETERS)].to_numpy()
    return matrices_from_parameters(rows, grid_centre(image.affine, image.shape)), record["reference_volume"]


def simpleitk(path: Path, _: Path) -> tuple[np.ndarray, int]:
    """SimpleITK: mean squares, regular-step gradient descent in two levels, linear in the search."""
    import SimpleITK as sitk  # noqa: N813  (its usual name)

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = nib.load(path)
    data, centre = np.asarray(image.dataobj), grid_centre(image.affine, image.shape)
    reference = data.shape[3] // 2

    def itk(volume: np.ndarray) -> sitk.Image:
        made = sitk.GetImageFromArray(np.ascontiguousarray(volume.T))  # RAS throughout: axes are not flipped
        made.SetSpacing([float(size) for size in image.header.get_zooms()[:3]])
        made.SetOrigin([float(x) for x in image.affine[:3, 3]])
        return made

    fixed, found = itk(data[..., reference]), []
    for t in range(data.shape[3]):
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMeanSquares()
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(0.5, 1e-5, 200, relaxationFactor=0.6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel([2, 1])
        method.SetSmoothingSigmasPerLevel([1, 0])
        start = sitk.Euler3DTransform()
        start.SetCenter([float(x) for x in centre])
        method.SetInitialTransform(start, inPlace=True)
        moving = itk(data[..., t])
        method.Execute(fixed, moving)
        sitk.Resample(moving, fixed, start, sitk.sitkLanczosWindowedSinc)
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(start.GetMatrix(), (3, 3))
        matrix[:3, 3] = np.array(start.GetTranslation()) + centre - matrix[:3, :3] @ centre
        found.append(matrix)
    return np.stack(found), reference


def dipy(path: Path, _: Path) -> tuple[np.ndarray, int]:
    """dipy: mutual information, rigid, its defaults in three levels; linear interpolation."""
    from dipy.align.imaffine import AffineRegistration, MutualInformationMetric
    from dipy.align.transforms import RigidTransform3D

    image = nib.load(path)
    data, reference = np.asarray(image.dataobj), image.shape[3] // 2
    search = AffineRegistration(
        metric=MutualInformationMetric(nbins=32, sampling_proportion=None),
        level_iters=[100, 50, 20],
        sigmas=[2, 1, 0],
        factors=[4, 2, 1],
        verbosity=0,
    )
    found = []
    for t in range(data.shape[3]):
        fit = search.optimize(
            data[..., reference].astype(float),
            data[..., t].astype(float),
            RigidTransform3D(),
            None,
            static_grid2world=image.affine,
            moving_grid2world=image.affine,
            starting_affine=np.eye(4),
        )
        fit.transform(data[..., t].astype(float))
        found.append(fit.affine)
    return np.stack(found), reference


METHODS: dict[str, Callable[[Path, Path], tuple[np.ndarray, int]]] = {
    "native": native,
    "simpleitk": simpleitk,
    "dipy": dipy,
}


def cpu_s() -> float:
    """CPU time of this process and its ended children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure(method: str, path: Path, folder: Path) -> dict[str, object]:
    """Run one method in this process: what it found, its cost, its memory."""
    volume = np.asarray(nib.load(path).dataobj[..., 0])
    turn = Rotation.from_euler("xyz", [1, 1, 1], degrees=True).as_matrix()
    start = time.process_time()
    for _ in range(5):
        ndimage.affine_transform(volume, turn, 0.5, order=3)
    unit = (time.process_time() - start) / 5
    start = cpu_s()
    try:
        found, reference = METHODS[method](path, folder)
    except ImportError as error:
        return {"missing": error.name}
    spent = cpu_s() - start
    # Not ru_maxrss of this process, which starts with what its parent held.
    own = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return {
        "found": found,
        "reference": reference,
        "per_volume_s": spent / len(found),
        "cost": spent / len(found) / unit,
        "peak_mb": peak / 1024,
    }


def judge(found: np.ndarray, reference: int, truth: np.ndarray, points: np.ndarray) -> dict[str, float]:
    """Errors of found matrices."""
    true = truth @ np.linalg.inv(truth[reference])
    found = found @ np.linalg.inv(found[reference])
    others = np.arange(len(truth)) != reference
    off = (np.linalg.inv(true) @ found)[others]
    turn = Rotation.from_matrix(off[:, :3, :3])
    moved = points.mean(axis=0) @ off[:, :3, :3].transpose(0, 2, 1) + off[:, :3, 3] - points.mean(axis=0)
    error = np.hstack([moved, HEAD_MM * turn.as_rotvec()])
    design = np.column_stack([blocks(len(truth))[others], np.ones(len(error))])
    return {
        "mm": np.sqrt(np.square(rms_displacement(found, true, points)[others]).mean()),
        "deg": np.rad2deg(np.sqrt(np.square(turn.magnitude()).mean())),
        "leak_mm": np.abs(np.linalg.lstsq(design, error, rcond=None)[0][0]).max(),
    }


def record(out: Path, row: dict[str, object]) -> None:
    """Put a row into a table, in place of an older one of the same voxel size, amplitude and method."""
    key = ["voxel_mm", "amplitude", "method"]
    table = pd.DataFrame([{k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in row.items()}])
    if out.exists():
        table = pd.concat([pd.read_csv(out, sep="\t"), table]).drop_duplicates(key, keep="last")
    out.parent.mkdir(parents=True, exist_ok=True)
    table.sort_values(key).to_csv(out, sep="\t", index=False)


def main() -> None:
    """Simulate, run every method, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--voxel", type=float, nargs="+", default=[3, 2])
    parser.add_argument("--amplitude", type=float, nargs="+", default=[0.1, 0.5, 1, 2, 5])
    parser.add_argument("--volumes", type=int, default=24)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    skipped, first = set(), True
    for voxel_mm in options.voxel:
        for amplitude in options.amplitude:
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch, "bold.nii")
                truth, points = simulate(voxel_mm, amplitude, options.volumes, path)
                size = 4 * np.prod(nib.load(path).shape) / 2**20
                for method in options.method:
                    context = multiprocessing.get_context("spawn")
                    with context.Pool(1) as pool:
                        got = pool.apply(measure, (method, path, Path(scratch)))
                    if "missing" in got:
                        skipped.add(f"{method}: skipped, {got['missing']} is not installed")
                        continue
                    row = {"voxel_mm": voxel_mm, "amplitude": amplitude, "method": method}
                    row |= judge(got.pop("found"), got.pop("reference"), truth, points)
                    row |= {**got, "peak_x": got["peak_mb"] / size}
                    if options.out:
                        record(options.out, row)
                    if first:
                        print(*row, sep="\t")
                    first = False
                    print(
                        *(f"{v:.3g}" if isinstance(v, float) else v for v in row.values()),
                        sep="\t",
                        flush=True,
                    )
    print(*sorted(skipped), sep="\n")


if __name__ == "__main__":
    main()
