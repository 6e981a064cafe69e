"""Training over two GPU nodes: one job, workers as its steps."""

import json
import re
import sys
from contextlib import suppress

import psutil
import pytest

from dca.files import read_tsv

TRAINED = ["train", "logs/train.log", "features", "decompose/dca", "compare", "report"]
EPOCHS = 6


def workers(study):
    """Number -> process."""
    return {int(words[words.index("worker") + 1]): p for p in study.workers() if (words := p.cmdline())}


def nodes_of(study, role):
    """Nodes that the training's processes of a role are on, by what Slurm told the step that they are of."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if role in (process.info["cmdline"] or []) and process.cwd() == str(study.folder):
                found.append(process.environ()["SLURMD_NODENAME"])
    return found


def steps(study, number):
    """Steps of a job that are under way, but for the job's own script: number -> node."""
    query = ("squeue", "--steps", "--noheader", "--format=%i %N", f"--jobs={number}")
    found = [line.split() for line in study.lab.run(*query).splitlines()]
    found = [(step.partition(".")[2], node) for step, node in found]
    return {int(step): node for step, node in found if step.isdigit()}


def is_complete(study, number, updates):
    """The job ended well, and no row was left out or used twice."""
    job = study.lab.job(number)
    assert (job["JobState"], job["NumNodes"]) == ("COMPLETED", "2")
    summary = json.loads((study.results / "train/summary.json").read_text())
    history = read_tsv(study.results / "train/history.tsv")
    rows = history[history["split"] == "train"]
    assert list(rows["step"]) == list(range(1, summary["updates"] + 1))
    assert set(rows["worker"].astype(int)) == {0, 1}
    if updates is None:
        assert (summary["samples"], summary["rows_left"]) == (EPOCHS * summary["train_rows"], 0)
    else:
        assert summary["updates"] == updates
    assert study.nothing_is_left()
    return summary


def test_a_worker_that_is_lost_is_a_step_lost(on_two_nodes, study):
    training = on_two_nodes(study, TRAINED, "srun", max_steps=None, epochs=EPOCHS)
    process = training.start("train")
    training.lab.wait(lambda: len(workers(training)) == 2 or process.poll() is not None, "the workers", 300)
    number, crew = training.job("train_model"), workers(training)
    training.lab.wait(lambda: training.updates > 12, "the end of the warm-up", 300)
    crew[0].suspend()  # it waits for nobody, and would be through before the other one has begun
    before = training.updates
    training.lab.wait(lambda: training.updates > before + 5, "updates of the other worker", 300)
    told = {worker: process.environ() for worker, process in crew.items()}
    # Each worker is a step of its own, with the GPU of its node; all else is a step on the first.
    assert {worker: names["SLURMD_NODENAME"] for worker, names in told.items()} == {0: "gpu1", 1: "gpu2"}
    assert [names["CUDA_VISIBLE_DEVICES"] for names in told.values()] == ["0", "0"]
    own = {worker: int(names["SLURM_STEP_ID"]) for worker, names in told.items()}
    before = steps(training, number)
    assert before == {0: "gpu1", own[0]: "gpu1", own[1]: "gpu2"} and len(before) == 3
    assert nodes_of(training, "supervisor") == nodes_of(training, "server") == ["gpu1"]
    crew[1].kill()
    after = []

    def one_is_replaced():
        after.append(steps(training, number))
        return own[1] not in after[-1] and max(after[-1], default=0) > max(before)

    training.lab.wait(one_is_replaced, "a new step")
    crew[0].resume()
    training.finish(process)
    assert after[-1] == {0: "gpu1", own[0]: "gpu1", max(after[-1]): "gpu2"}
    summary = is_complete(training, number, None)
    assert summary["restarts_by_worker"] == [0, 1]
    assert "Worker 1 was lost" in training.log and "Worker 0 was lost" not in training.log


@pytest.mark.openmpi
def test_workers_are_started_on_two_nodes_by_mpirun(on_two_nodes, study):
    training = on_two_nodes(study, TRAINED, "mpirun")
    training.snakemake("train")
    number = training.submitted()[-1]
    is_complete(training, number, 40)
    first, second = (training.lab.steps(node, number) for node in ("gpu1", "gpu2"))
    assert (len(first), len(second)) == (2, 1) and not first & second


def test_two_copies_of_a_training_stop_with_one_line(study):
    shard = next((study.results / "signals").glob("*.h5"))
    training = (sys.executable, "-m", "dca.cli", "train", shard, "--out", study.folder / "copies")
    done = study.lab.run_anyway("srun", "--ntasks=2", *training, "--set", "train.mode=single")
    assert done.returncode != 0
    lines = set(re.findall("dca: .*", done.stderr))  # wherever a line of the other one ended
    assert len(lines) == 1 and "was started 2 times at once" in lines.pop(), done.stderr
    assert "Traceback" not in done.stderr and not (study.folder / "copies").exists()
