"""Measure the memory that each native step of preprocessing needs for a run of HCP's size.

    python benchmarks/preprocess_memory.py [--step motion regress ...] [--shape 91 109 91 284]
        [--out benchmarks/results/preprocess_memory.tsv]

A head with noise, float32, uncompressed; as T1w image the template of nilearn, 1 mm. Every step runs in a
process of its own. `peak_mb`: the largest resident memory of that process or of one that it started
(`ru_maxrss`); `peak_x`: in units of the run as float32; `cpu_s`: CPU time of all of them. With --out rows
go to a table, for those of the same step.
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from dca.files import write_tsv
from dca.preprocess.bias import bias_field
from dca.preprocess.confounds import write_confounds
from dca.preprocess.figures import carpet, tsnr
from dca.preprocess.highpass import highpass
from dca.preprocess.mask import brain_mask
from dca.preprocess.motion import correct_motion
from dca.preprocess.register import register_to_template
from dca.preprocess.regress import regress
from dca.preprocess.resample import OnGrid, resample
from dca.preprocess.rigid import PARAMETERS
from dca.preprocess.scale import scale
from dca.preprocess.series import SeriesWriter
from dca.preprocess.slice_timing import correct_slice_timing
from dca.preprocess.smooth import smooth
from dca.preprocess.summary import write_summary
from dca.preprocess.template import template_image
from dca.preprocess.tissue import find_tissue
from dca.preprocess.warp import warp_to_template

TR = 0.72


def make_run(folder: Path, shape: tuple[int, ...]) -> None:
    """Write a run, its mask, mean, bias field, motion, and a matrix to the template."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-90, -126, -72]
    image = nib.Nifti1Image(np.broadcast_to(np.float32(0), shape), affine)
    image.header.set_zooms((2, 2, 2, TR))
    image.header.set_xyzt_units("mm", "sec")
    points = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:3]), indexing="ij"))
    inside = np.square(points / 0.75).sum(axis=0) < 1
    head = np.where(inside, 1000 + 200 * np.sin(9 * points).prod(axis=0), 20).astype(np.float32)
    rng = np.random.default_rng(0)
    with SeriesWriter(folder / "bold.nii", image) as writer:
        for _ in range(shape[3]):
            writer.write(head + rng.normal(0, 10, head.shape).astype(np.float32))
    for name, data in (("mask", inside.astype(np.uint8)), ("mean", head), ("bias", np.ones_like(head))):
        nib.save(nib.Nifti1Image(data, affine), folder / f"{name}.nii")
    nib.save(template_image(1), folder / "t1w.nii")
    rows = pd.DataFrame(rng.normal(0, 1e-3, (shape[3], 6)), columns=list(PARAMETERS))
    rows.to_csv(folder / "motion.tsv", sep="\t", index=False)
    np.savetxt(folder / "matrix.txt", np.eye(4))


def summarise(bold: Path, mask: Path, folder: Path) -> None:
    """Numbers and figures of a run, with a copy of it in the place of the raw one."""
    raw, table = folder / "raw.nii", folder / "shown.tsv"
    shutil.copy(bold, raw)
    length = nib.load(bold).shape[3]
    write_tsv(table, pd.DataFrame({"framewise_displacement": [0.1] * length, "std_dvars": 1.0}), {})
    write_summary(folder / "summary.json", bold, mask, run_id="x", backend="native", steps=[])
    carpet(raw, bold, mask, table, folder / "carpet.png", tr=TR)
    tsnr(raw, mask, bold, mask, folder / "tsnr.png")


def run_step(step: str, folder: Path, shape: tuple[int, ...]) -> dict[str, object]:
    """Run one step in this process and say what it took."""
    bold, out = folder / "bold.nii", folder / "out.nii"
    mask, mean, bias = (folder / f"{name}.nii" for name in ("mask", "mean", "bias"))
    moved = OnGrid(*(folder / f"moved_{name}.nii" for name in ("mask", "mean", "bias")))
    motion, given = folder / "motion.tsv", OnGrid(mask, mean, bias)
    matrix, found = folder / "matrix.txt", folder / "found.nii"
    times = np.linspace(0, 0.9 * TR, shape[2]).tolist()
    steps = {
        "slicetiming": lambda: correct_slice_timing(bold, out, tr=TR, times=times),
        "motion": lambda: correct_motion(bold, out, folder / "found.tsv", folder / "found.nii"),
        "mask": lambda: brain_mask(mean, found),
        "bias": lambda: bias_field(mean, mask, found),
        "register": lambda: register_to_template(mean, mask, folder / "found.txt", bias=bias),
        "warp": lambda: warp_to_template(mean, mask, matrix, found, bias=bias),
        "resample": lambda: resample(bold, motion, matrix, out, given, moved, voxel_mm=2),
        "tissue": lambda: find_tissue(
            mean, mask, folder / "t1w.nii", folder / "csf.nii", folder / "wm.nii", normalised=False, seed=0
        ),
        "confounds": lambda: write_confounds(bold, mask, folder / "c.tsv", tr=TR, highpass_s=100),
        "scale": lambda: scale(bold, mask, out, bias=bias),
        "smooth": lambda: smooth(bold, out, fwhm_mm=5),
        "highpass": lambda: highpass(bold, out, tr=TR, highpass_s=100),
        "summary": lambda: summarise(bold, mask, folder),
        "regress": lambda: regress(bold, motion, out, kind="motion24", tr=TR, highpass_s=100),
    }
    steps[step]()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    peak = max(usage.ru_maxrss for usage in used) / 1024
    return {
        "step": step,
        "peak_mb": round(peak),
        "peak_x": round(peak / (4 * np.prod(shape) / 2**20), 2),
        "cpu_s": round(sum(usage.ru_utime + usage.ru_stime for usage in used), 1),
    }


STEPS = (
    "slicetiming",
    "motion",
    "mask",
    "bias",
    "register",
    "warp",
    "resample",
    "tissue",
    "confounds",
    "scale",
    "smooth",
    "highpass",
    "regress",
    "summary",
)


def main() -> None:
    """Make the run, take every step, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--step", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--shape", type=int, nargs=4, default=[91, 109, 91, 284])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")  # a fork would start with what this process holds
    with tempfile.TemporaryDirectory() as scratch:
        with context.Pool(1) as pool:
            pool.apply(make_run, (Path(scratch), tuple(options.shape)))
        for step in options.step:
            with context.Pool(1) as pool:
                row = pool.apply(run_step, (step, Path(scratch), tuple(options.shape)))
            print(*row.values(), sep="\t", flush=True)
            if options.out:
                table = pd.DataFrame([row])
                if options.out.exists():
                    table = pd.concat([pd.read_csv(options.out, sep="\t"), table])
                options.out.parent.mkdir(parents=True, exist_ok=True)
                table.drop_duplicates("step", keep="last").to_csv(options.out, sep="\t", index=False)


if __name__ == "__main__":
    main()
