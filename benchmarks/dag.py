"""How long Snakemake takes to plan a large study: dry runs of a manifest of N runs, with and without groups.

    python benchmarks/dag.py [N]          1200 by default

The images are one small file under N names, which is all that planning looks at.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from dca.config import ROOT

VOLUMES, TR = 40, 0.72
OPTIONS = {"on this machine": ["-c2"], "profile slurm": ["--profile", str(ROOT / "slurm")]}


def make_study(folder: Path, runs: int) -> None:
    """Write a manifest, its images and the settings."""
    data = np.random.default_rng(0).normal(1000, 10, (4, 4, 4, VOLUMES)).astype(np.float32)
    image = nib.Nifti1Image(data, np.diag([4, 4, 4, 1.0]))
    image.header.set_zooms((4, 4, 4, TR))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / "0.nii.gz")
    events = "".join(f"{1 + 4 * i}\t2\t{'ab'[i % 2]}\n" for i in range(6))
    (folder / "events.tsv").write_text(f"onset\tduration\ttrial_type\n{events}")
    for i in range(1, runs):
        os.link(folder / "0.nii.gz", folder / f"{i}.nii.gz")
    rows = "".join(f"{i}.nii.gz\t{i:05d}\tmotor\tevents.tsv\t{TR}\n" for i in range(runs))
    (folder / "manifest.tsv").write_text(f"bold\tsubject\ttask\tevents\ttr\n{rows}")
    (folder / "my.yaml").write_text("input: {source: manifest, path: manifest.tsv}\n")


def main(runs: int) -> None:
    """Time dry runs; the first one of all looks at the images besides."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_study(folder, runs)
        snakemake = [
            sys.executable,
            "-m",
            "snakemake",
            "-s",
            str(ROOT / "Snakefile"),
            "--configfile",
            "my.yaml",
        ]
        for what, options in {"first time, on this machine": ["-c2"], **OPTIONS}.items():
            begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            command = [*snakemake, *options, "-n", "--quiet", "rules", "--", "all"]
            subprocess.run(
                command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            load = os.getloadavg()[0]
            print(
                f"{runs} runs, {what}: {time.monotonic() - begin:.1f} s, {cpu:.1f} s of CPU, load {load:.1f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1200)
