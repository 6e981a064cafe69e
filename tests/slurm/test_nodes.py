"""Training over two GPU nodes: one job, workers as its steps."""

import json

import pytest

from dca.files import read_tsv

TRAINED = ["train", "features", "decompose/dca", "compare", "report"]
# One task per node, and no more per GPU: the plugin would multiply the two.
TWO_NODES = {
    "slurm_partition": "gpu", "gres": "gpu:1", "nodes": 2, "mpi": "srun", "tasks": 2, "tasks_per_gpu": 0,
    "cpus_per_task": 2,
}  # fmt: skip


@pytest.mark.parametrize("launcher", ["srun", pytest.param("mpirun", marks=pytest.mark.openmpi)])
def test_workers_train_on_two_nodes(new_study, study, launcher):
    site = {"set-resources": {"train_model": TWO_NODES}}
    # All nodes of the lab are this machine, and have no addresses of their own.
    other = new_study(study, TRAINED, site, train={"launcher": launcher, "interface": "lo"})
    other.snakemake("train")
    number = other.submitted()[-1]
    job = other.lab.job(number)
    assert (job["JobState"], job["NumNodes"]) == ("COMPLETED", "2")
    steps = [(other.lab.folder / f"{node}.log").read_text() for node in ("gpu1", "gpu2")]
    assert all(f"launch task StepId={number}." in log for log in steps)
    assert json.loads((other.results / "train/summary.json").read_text())["updates"] == 40
    history = read_tsv(other.results / "train/history.tsv")
    assert set(history["worker"].dropna().astype(int)) == {0, 1}
    assert other.nothing_is_left()
