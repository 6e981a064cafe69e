"""How long Snakemake takes to plan a large study of N runs, with nothing of it done, and with all of it done.

python benchmarks/dag.py make 1200 WORK    the study: one small image under N names, all that planning sees
python benchmarks/dag.py plan WORK         dry runs of it, without and with the profile for Slurm
python benchmarks/dag.py finish WORK       empty files for its results, with Snakemake's records of them
python benchmarks/dag.py plan WORK         dry runs in which there is nothing to do
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from dca.config import ROOT

VOLUMES, TR = 40, 0.72
OPTIONS = {"on this machine": ["-c2"], "profile slurm": ["--profile", str(ROOT / "slurm")]}
# Takes the place of running the jobs. Their records hold parameters and code, which a later call compares.
FINISH = """
include: "{snakefile}"
from pathlib import Path
from snakemake.io import is_flagged
from snakemake.scheduling.job_scheduler import JobScheduler

def finish(scheduler):
    dag = scheduler.workflow.dag
    async def all_jobs():
        for level in dag.toposorted():
            for job in level:
                if all(map(dag.workflow.persistence.metadata, job.output)):
                    continue  # by an earlier call
                for file in job.output:
                    if not is_flagged(file, "temp"):
                        Path(file).parent.mkdir(parents=True, exist_ok=True)
                        Path(file).touch()
                await dag.workflow.persistence.finished(job)
    scheduler.workflow.async_run(all_jobs())
    return True

JobScheduler.schedule = finish
"""


def make(runs: int, folder: Path) -> None:
    """Write a manifest, its images and the settings."""
    folder.mkdir(parents=True)
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
    snakemake(folder, ROOT / "Snakefile", "-c2")  # looks at the images, once


def plan(folder: Path) -> None:
    """Time dry runs."""
    for what, options in OPTIONS.items():
        begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        said = snakemake(folder, ROOT / "Snakefile", *options)
        after, load = resource.getrusage(resource.RUSAGE_CHILDREN), os.getloadavg()[0]
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        jobs = [line.split()[1] for line in said.splitlines() if line.startswith("total ")][:1] or ["no"]
        print(
            f"{what}: {jobs[0]} jobs, {time.monotonic() - begin:.1f} s, {cpu:.1f} s of CPU, load {load:.1f}"
        )


def finish(folder: Path) -> None:
    """Have Snakemake believe that all is done."""
    (folder / "finish.smk").write_text(FINISH.format(snakefile=ROOT / "Snakefile"))
    snakemake(folder, folder / "finish.smk", "-c2")


def snakemake(folder: Path, snakefile: Path, *options: str) -> str:
    """A dry run; what it says."""
    command = [sys.executable, "-m", "snakemake", "-s", str(snakefile), "--configfile", "my.yaml", *options]
    done = subprocess.run(
        [*command, "-n", "--quiet", "rules", "--", "all"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout + done.stderr


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["make"]:
        make(int(words[1]), Path(words[2]))
    else:
        {"plan": plan, "finish": finish}[words[0]](Path(words[1]))
