"""Leftover jobs of a study, with stand-ins for Slurm's programs."""

import os
import subprocess
import sys
from contextlib import nullcontext

import pytest

from dca.cluster import resume, slurm
from dca.errors import DependencyError, OutputError, ToolError

RUN = "6f1a2b3c-0000-4000-8000-0123456789ab"


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A queue in a file, in a study's folder; scancel empties it and notes what it was told."""
    programs = tmp_path / "bin"
    programs.mkdir()
    lines = tmp_path / "queue"
    for name, body in (
        ("squeue", f"cat {lines}"),
        ("scancel", f'echo "$@" > {tmp_path}/cancelled; : > {lines}'),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    study = tmp_path / "study"
    study.mkdir()
    lines.write_text(
        f"7|RUNNING|{RUN}|{study}|rule_train_model\n"
        f"8|PENDING|prefix_{RUN}|{study}|group_raw_wildcards_a|b\n"
        f"9|RUNNING|{RUN}|{tmp_path}/other|rule_train_model\n"
        f"10|RUNNING|shell|{study}|(null)\n"
    )
    return tmp_path


def test_only_jobs_that_snakemake_submitted_from_the_folder_are_the_studys(queue):
    jobs = slurm.study_jobs(queue / "study")
    assert [(job.number, job.state, job.what) for job in jobs] == [
        ("7", "RUNNING", "rule_train_model"),
        ("8", "PENDING", "group_raw_wildcards_a|b"),
    ]


def test_jobs_are_cancelled_and_waited_for(queue):
    assert len(resume.settle(queue / "study", wait=False)) == 2
    assert (queue / "cancelled").read_text().split() == ["7", "8"]


def test_jobs_can_be_waited_for_alone(queue):
    ending = subprocess.Popen(["sh", "-c", f"sleep 0.3; : > {queue}/queue"])
    resume.settle(queue / "study", wait=True)
    assert ending.wait() == 0 and not (queue / "cancelled").exists()


@pytest.mark.parametrize(
    ("told_to_end", "state", "stuck"),
    [(False, "RUNNING", None), (False, "COMPLETING", "8"), (True, "RUNNING", "7 .RUNNING., 8")],
)
def test_a_job_that_does_not_end_is_named(queue, monkeypatch, told_to_end, state, stuck):
    monkeypatch.setattr(slurm, "ENDING_S", 0)
    lines = queue / "queue"
    lines.write_text(lines.read_text().replace("8|PENDING", f"8|{state}"))
    ending = None if stuck else subprocess.Popen(["sh", "-c", f"sleep 0.5; : > {lines}"])
    named = pytest.raises(ToolError, match=f"job {stuck}.*has not ended in 0 s") if stuck else nullcontext()
    with named:
        slurm.wait_until_gone(queue / "study", told_to_end, tick_s=0.01)
    assert ending is None or ending.wait() == 0


def test_nothing_is_cancelled_if_snakemake_cannot_go_on(queue, monkeypatch):
    program = queue / "snakemake"
    program.write_text('#!/bin/sh\necho "$@" >> asked\necho "error: no such option" >&2; exit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(resume, "SNAKEMAKE", (str(program),))
    with pytest.raises(ToolError, match="snakemake --dry-run: error: no such option"):
        resume.resume(queue / "study", ["--wrong"])
    assert (queue / "study/asked").read_text() == "--dry-run --quiet all --rerun-incomplete --wrong\n"
    assert not (queue / "cancelled").exists()


def test_a_slurm_that_does_not_answer_is_told(queue):
    (queue / "bin/squeue").write_text("#!/bin/sh\necho down >&2; exit 1\n")
    with pytest.raises(ToolError, match="squeue: down"):
        slurm.study_jobs(queue)


def test_without_slurm_there_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="login node"):
        slurm.study_jobs(tmp_path)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["-m", "snakemake"], True),
        (["-u", "-Wignore", "-X", "utf8", "-m", "snakemake"], True),
        (["-um", "snakemake"], True),
        (["-c", "import time; print(flush=True); time.sleep(60)", "-m", "snakemake"], False),
        (["bin/snakemake"], True),
        (["-m", "snakemake", "--target-jobs", "a:"], False),
    ],
)
def test_a_snakemake_at_work_in_the_folder_is_noticed_and_its_jobs_are_not(tmp_path, words, refused):
    (tmp_path / "bin").mkdir()
    for name in ("snakemake.py", "bin/snakemake"):
        (tmp_path / name).write_text("import time\nprint(flush=True)\ntime.sleep(60)\n")
    resume.refuse_second(tmp_path)
    with subprocess.Popen([sys.executable, *words], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            noticed = pytest.raises(OutputError, match=f"process {process.pid}")
            with noticed if refused else nullcontext():
                resume.refuse_second(tmp_path)
            resume.refuse_second(tmp_path / "bin")
        finally:
            process.kill()
