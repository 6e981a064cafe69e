"""`snakemake --profile slurm --profile mysite`: the demo from nothing to its report."""

import json

from dca.inputs import read_runs


def test_the_demo_runs_end_to_end(study):
    runs = [run.run_id for run in read_runs(study.results / "inputs.tsv")]
    names = [
        "report/index.html",
        "report/01.html",
        "report/02.html",
        "compare/pcc.tsv",
        "train/model/card.json",
    ]
    names += [f"{stage}/{run}.h5" for stage in ("signals", "features") for run in runs]
    assert [name for name in names if not (study.results / name).is_file()] == []
    assert json.loads((study.results / "train/summary.json").read_text())["updates"] == 40
    assert study.nothing_is_left()
    logs = [(study.lab.folder / f"{node}.log").read_text() for node in ("gpu1", "gpu2")]
    assert not any(f"StepId={number}." in log for number in study.submitted() for log in logs)


def test_a_run_takes_three_jobs_and_the_logs_mirror_the_rules(study):
    # Both runs in each: preprocess, raw, dca; besides two simulations, training and its page, gathering, two
    # pages in one job, the index.
    assert len(study.submitted()) == 2 + 3 + 2 + 1 + 1 + 1
    log = (study.results / "logs/train.log").read_text()
    assert "Validation loss" in log  # the supervisor's messages, not in Slurm's own log
    assert (study.results / "logs/signals/sub-01_task-motor.log").is_file()
