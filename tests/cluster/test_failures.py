"""What Snakemake says of failed jobs, boiled down."""

import os
from datetime import datetime

from dca.cluster.failures import failures, summary

RECORD = """
[Thu Nov 26 01:00:00 2026]
Error in rule train_model:
    message: SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. Detailed failure reason unavailable.
    jobid: 3
    input: results/signals/a.h5
    output: results/train/model/card.json, results/train/summary.json
    log: results/logs/train.log, /x/slurm_logs/a/7.log (check log file(s) for error details)
    external_jobid: 7
Trying to restart job 3.
    message: Error in group preprocess
    log: /x/.snakemake/slurm_logs/group_preprocess/9.log (check log file(s) for error details)
    jobs:
        rule extract_signals:
            jobid: 1
    Error in rule correct_motion:
        jobid: 8
        output: results/preprocess/b/mean.nii.gz
        log: results/logs/preprocess/b.motion.log (check log file(s) for error details)
    Error in rule extract_signals:
        jobid: 9
        output: results/signals/b.h5
        log: results/logs/signals/b.log (check log file(s) for error details)
    Error in rule write_confounds:
        jobid: 10
        output: results/preprocess/b/confounds.tsv
        log: results/logs/preprocess/b.confounds.log (check log file(s) for error details)
Error in rule train_model:
    message: SLURM-job '11' failed, SLURM status is: 'TIMEOUT'.
    jobid: 3
    output: results/train/model/card.json, results/train/summary.json
    log: results/logs/train.log (check log file(s) for error details)
"""


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def study(tmp_path):
    write(tmp_path / "snakemake.log", RECORD)
    write(tmp_path / "results/logs/train.log", "".join(f"line {i}\n" for i in range(9)) + "1 %\r2 %\n\n")
    write(tmp_path / "results/logs/signals/b.log", "Traceback\nImageError: b is bad\n")
    write(tmp_path / "results/logs/preprocess/b.motion.log", "fine\n")
    write(tmp_path / "results/preprocess/b/mean.nii.gz")
    return [tmp_path / "snakemake.log"]


def test_only_jobs_that_began_and_are_not_done_are_told(tmp_path):
    found = failures(study(tmp_path), tmp_path)
    assert [(f.rule, f.times, f.slurm) for f in found] == [
        ("train_model", 2, "job 11 TIMEOUT"),
        ("extract_signals", 1, "job 9"),
    ]
    assert found[0].log == tmp_path / "results/logs/train.log"


def test_a_log_of_an_earlier_call_does_not_make_a_job_of_a_group_begin(tmp_path):
    record = study(tmp_path)[0].rename(tmp_path / "2026-11-26T120000.123.snakemake.log")
    noon = datetime(2026, 11, 26, 12).timestamp()
    write(tmp_path / "results/logs/preprocess/b.confounds.log", "of yesterday\n")
    for name, time in (("signals/b.log", noon + 5), ("preprocess/b.confounds.log", noon - 9000)):
        os.utime(tmp_path / "results/logs" / name, (time, time))
    assert [failure.rule for failure in failures([record], tmp_path)] == ["train_model", "extract_signals"]


def test_the_last_lines_and_the_place_of_the_log_are_told(tmp_path):
    text = summary(study(tmp_path), tmp_path)
    assert "| line 8\n  | 2 %\n" in text and "line 3" not in text
    assert (
        f"whole log: {tmp_path / 'results/logs/signals/b.log'}" in text and "| ImageError: b is bad" in text
    )


def test_a_job_that_wrote_nothing_is_told_too(tmp_path):
    write(tmp_path / "snakemake.log", "Error in rule glm:\n    output: x.nii.gz\n    log: x.log\n")
    text = summary([tmp_path / "snakemake.log"], tmp_path)
    assert "glm" in text and "wrote no log" in text


def test_a_message_of_several_lines_hides_nothing(tmp_path):
    refused = "Error in rule train_model:\n    message: sbatch: error: invalid partition\n"
    refused += "sbatch: error: failed\n    output: model.json\n    log: train.log\n"
    failed = "Error in rule fit:\n    output: z.nii.gz\n    log: fit.log\n"
    write(tmp_path / "snakemake.log", refused + failed)
    write(tmp_path / "fit.log", "no\n")
    found = failures([tmp_path / "snakemake.log"], tmp_path)
    assert [failure.rule for failure in found] == ["train_model", "fit"]


def test_a_call_without_failures_is_silent(tmp_path):
    write(tmp_path / "snakemake.log", "Nothing to be done.\n")
    assert summary([tmp_path / "snakemake.log"], tmp_path) == ""


ON_S3 = """
Error in rule twice:
    message: None
    jobid: 1
    output: s3://mine/a.txt (send to storage), s3://mine/b.txt (send to storage)
    log: s3://mine/logs/a.log (send to storage) (check log file(s) for error details)
Error in rule never:
    message: None
    jobid: 12
    output: s3://mine/c.txt (nodelocal, send to storage)
    log: s3://mine/logs/c.log (send to storage) (check log file(s) for error details)
Finished jobid: 1 (Rule: twice)
"""


def test_with_results_on_s3_copies_of_logs_and_what_snakemake_finished_are_looked_at(tmp_path):
    write(tmp_path / "snakemake.log", ON_S3)
    copies = tmp_path / ".snakemake/storage/s3/mine"
    for name in ("a", "c"):
        write(copies / f"logs/{name}.log", f"of {name}\n")
    [failure] = failures([tmp_path / "snakemake.log"], tmp_path)
    assert (failure.rule, failure.outputs) == ("never", (copies / "c.txt",))
    assert failure.log == copies / "logs/c.log" and "| of c" in str(failure)
