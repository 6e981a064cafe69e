"""`snakemake --profile slurm --profile mysite`: the demo from nothing to its report."""

import json

import pytest

from dca.cli import main
from dca.config import ROOT
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


@pytest.mark.namespaces
def test_jobs_have_neither_a_network_nor_the_login_nodes_environment(lab, monkeypatch):
    """So it was for all jobs of this folder."""
    monkeypatch.setenv("OF_THE_LOGIN_NODE", "1")
    told = lab.folder / "told"
    script = f"(env; cat /proc/net/route) > {told}.part; mv {told}.part {told}"
    lab.run("sbatch", "--export=ALL", "-o", "/dev/null", "--wrap", script)
    lab.wait(told.exists, "what a job sees")
    *names, routes = told.read_text().splitlines()
    assert routes.split()[:3] == ["Iface", "Destination", "Gateway"]  # and no route below
    seen = dict(line.split("=", 1) for line in names if "=" in line)
    assert "OF_THE_LOGIN_NODE" not in seen and "VIRTUAL_ENV" not in seen
    assert seen["PATH"] == f"{lab.folder}/bin:/usr/local/bin:/usr/bin:/bin"


def test_as_many_jobs_are_submitted_as_were_planned(study, monkeypatch, capsys):
    monkeypatch.chdir(study.folder)
    assert main(["plan", "--config", "my.yaml", "--profile", str(ROOT / "slurm"), "--profile", "mysite"]) == 0
    total = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("total"))
    assert int(total.split()[1]) + 2 == len(study.submitted())  # and the two that simulate the demo


def test_a_run_takes_three_jobs_and_the_logs_mirror_the_rules(study):
    # Both runs in each: preprocess, raw, dca; besides two simulations, training and its page, gathering, two
    # pages in one job, the index.
    assert len(study.submitted()) == 2 + 3 + 2 + 1 + 1 + 1
    log = study.log
    assert "Validation loss" in log  # the supervisor's messages, not in Slurm's own log
    assert (study.results / "logs/signals/sub-01_task-motor.log").is_file()
