"""How long Snakemake takes to plan a large study, with nothing of it done, and with all of it done.

python benchmarks/dag.py make 1200 WORK    the study: one small image under many names, all that planning sees
python benchmarks/dag.py plan WORK         dry runs of it, without and with the profile for Slurm
python benchmarks/dag.py finish WORK       empty files for its results, with Snakemake's records of them
python benchmarks/dag.py plan WORK         dry runs in which there is nothing to do
python benchmarks/dag.py study 1200 WORK   all of it, with one subject more: rows of results/scale_dag.tsv

A last number of `make` and `study` is that of the runs of a subject, one if not given. All runs are in the
space of a template, on one grid, so that maps are held against those of all others.

Columns of the table: `subjects`; `runs` of each; `what`, the dry run: of nothing done, of all done, of all
done and one subject added (train.freeze); `profile` that it was called with; `jobs` that it plans; `seconds`
and `cpu_s`; `peak_mb`, the largest resident memory of a Snakemake so far; `files` and `inodes` (with
folders) of each subject, in the results and in Snakemake's records; `first_s`, seconds of the very first
call, which looks at all images and keeps what it found: later ones, as all of `seconds`, do not.
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
import pandas as pd

from dca.config import ROOT
from dca.files import read_tsv, write_json

VOLUMES, TR = 40, 0.72
TABLE = ROOT / "benchmarks" / "results" / "scale_dag.tsv"
MANIFEST = ["bold", "subject", "task", "run", "space", "events", "tr"]
OPTIONS = {"none": ["-c2"], "slurm": ["--profile", str(ROOT / "slurm")]}  # by the name of the profile
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


def make(subjects: int, folder: Path, runs: int = 1, settings: str = "") -> float:
    """Write a manifest, its images and the settings, with others after those for the inputs.

    Gives the seconds that Snakemake then takes to look at the images, once.
    """
    folder.mkdir(parents=True)
    data = np.random.default_rng(0).normal(1000, 10, (4, 4, 4, VOLUMES)).astype(np.float32)
    image = nib.Nifti1Image(data, np.diag([4, 4, 4, 1.0]))
    image.header.set_zooms((4, 4, 4, TR))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / "image.nii.gz")
    events = "".join(f"{1 + 4 * i}\t2\t{'ab'[i % 2]}\n" for i in range(6))
    (folder / "events.tsv").write_text(f"onset\tduration\ttrial_type\n{events}")
    (folder / "manifest.tsv").write_text("\t".join(MANIFEST) + "\n")
    for number in range(subjects):
        add(number, folder, runs)
    (folder / "my.yaml").write_text("input: {source: manifest, path: manifest.tsv}\n" + settings)
    begin = time.monotonic()
    snakemake(folder, ROOT / "Snakefile", "-c2")
    return round(time.monotonic() - begin, 1)


def add(number: int, folder: Path, runs: int) -> None:
    """Put one subject into the manifest, the image under a name for each run."""
    with (folder / "manifest.tsv").open("a") as manifest:
        for run in range(1, runs + 1):
            name = f"{number}_{run}.nii.gz"
            os.link(folder / "image.nii.gz", folder / name)
            cells = [name, f"{number:05d}", "motor", str(run), "MNI152NLin6Asym", "events.tsv", str(TR)]
            manifest.write("\t".join(cells) + "\n")


def study(subjects: int, folder: Path, runs: int = 1, table: Path = TABLE) -> None:
    """Measure a study of so many subjects from nothing to one more of them, as far as it was not done yet."""
    if not folder.exists():
        first = make(subjects, folder, runs, "train: {freeze: true}\n")
        measure(table, subjects, runs, "nothing done", folder, {"first_s": first})
    if not (folder / "results" / "report").exists():
        finish(folder)
        keep_model(folder)
        measure(table, subjects, runs, "nothing to do", folder, count(subjects, folder))
    if not (folder / f"{subjects}_1.nii.gz").exists():
        add(subjects, folder, runs)
        measure(table, subjects, runs, "one subject more", folder)


def keep_model(folder: Path) -> None:
    """Write into the model's card what is looked at of a model that stays."""
    runs = read_tsv(folder / "results/inputs.tsv", dtype=str)
    trained_on = runs.loc[runs["split"] == "train", "run_id"].tolist()
    path = folder / "results/train/model/card.json"
    made = path.stat().st_mtime_ns
    write_json(path, {"trained_on": trained_on, "architecture": {"length": VOLUMES}})
    os.utime(path, ns=(made, made))  # or all features would be older than the model


def measure(
    table: Path, subjects: int, runs: int, what: str, folder: Path, more: dict[str, object] | None = None
) -> None:
    """Put a row for each profile into a table."""
    for profile, options in OPTIONS.items():
        key = {"subjects": subjects, "runs": runs, "what": what, "profile": profile}
        record(table, key, dry_run(folder, options) | (more or {}))


def dry_run(folder: Path, options: list[str]) -> dict[str, object]:
    """What one dry run takes."""
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    said = snakemake(folder, ROOT / "Snakefile", *options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = [line.split()[1] for line in said.splitlines() if line.startswith("total ")][:1] or ["0"]
    return {
        "jobs": int(jobs[0]),
        "seconds": round(time.monotonic() - begin, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mb": round(after.ru_maxrss / 1024),  # of all calls of this process: they grow
    }


def count(subjects: int, folder: Path) -> dict[str, object]:
    """Files and inodes of each subject in what Snakemake believes to be complete."""
    files = folders = 0
    for place in ("results", ".snakemake/metadata"):
        for _, inside, here in os.walk(folder / place):
            files, folders = files + len(here), folders + len(inside)
    return {"files": round(files / subjects, 1), "inodes": round((files + folders) / subjects, 1)}


def record(table: Path, key: dict[str, object], measured: dict[str, object]) -> None:
    """Put a row into a table."""
    own = pd.DataFrame([key | measured])
    print(own.to_string(index=False, header=False), flush=True)
    if table.exists():
        old = pd.read_csv(table, sep="\t", keep_default_na=False, na_values=["n/a"])
        own = pd.concat([old[(old[list(key)] != pd.Series(key)).any(axis=1)], own])
    columns = [*key, "jobs", "seconds", "cpu_s", "peak_mb", "files", "inodes", "first_s"]
    own = own.reindex(columns=columns).sort_values(["subjects", "runs"], kind="stable")
    own.to_csv(table, sep="\t", index=False, na_rep="n/a")


def plan(folder: Path) -> None:
    """Time dry runs."""
    for profile, options in OPTIONS.items():
        took = dry_run(folder, options)
        print(
            f"profile {profile}: {took['jobs']} jobs, {took['seconds']} s, {took['cpu_s']} s of CPU, "
            f"load {os.getloadavg()[0]:.1f}"
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
    if words[:1] in (["make"], ["study"]):
        {"make": make, "study": study}[words[0]](int(words[1]), Path(words[2]), *map(int, words[3:]))
    else:
        {"plan": plan, "finish": finish}[words[0]](Path(words[1]))
