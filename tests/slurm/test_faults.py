"""What goes wrong on a cluster: memory, time, cancelled and preempted jobs, a lost node, a killed Snakemake.

Trainings are held up by stopping their workers, so that the tests wait and do not compute.
"""

import json
import os
import re
import signal

import pytest

from dca.files import read_tsv

RUN, OTHER = "sub-01_task-motor", "sub-02_task-motor"
TRAINED = ["train", "logs/train.log", "features", "decompose/dca", "compare", "report"]
LONG = {"max_steps": 400, "epochs": 20}
TOLD_TO_END = {**LONG, "checkpoint_s": 3600}  # no checkpoint but the one that a SIGTERM has it write


def wait_for_checkpoint(study, process):
    study.wait("results/train/checkpoints/step-*[1-9]*.npz", process)


def hold(study):
    """Stop the workers of a training."""
    assert study.workers()
    for worker in study.workers():
        worker.suspend()


def checkpoints(study):
    """Updates of the checkpoints that there are."""
    return [int(path.stem[5:]) for path in study.results.glob("train/checkpoints/step-*.npz")]


def done_so_far(study):
    """Updates of the training under way, by its progress bar; it has no checkpoint."""
    assert checkpoints(study) == []
    return study.updates


def is_right(study, updates=400):
    """A training ended in good order, whatever happened to it."""
    summary = json.loads((study.results / "train/summary.json").read_text())
    history = read_tsv(study.results / "train/history.tsv")
    rows = history[history["split"] == "train"]
    assert summary["updates"] == updates
    assert list(rows["step"]) == list(range(1, updates + 1))  # none lost, none twice
    for _, own in rows.groupby("worker"):
        of_epoch = own.groupby("epoch").size()
        assert list(of_epoch.index) == list(range(len(of_epoch)))
        assert of_epoch.iloc[:-1].nunique() == 1  # no batch of an epoch was done again, and none left out
    assert study.nothing_is_left()


def went_on(study, done):
    """A training went on from where it was interrupted, or from later, but not from earlier."""
    from_update = re.findall(r"Training goes on from update (\d+)", study.log)
    assert from_update and all(int(step) >= done for step in from_update)
    assert done > 0
    is_right(study)


def requeued(study, number):
    """Have Slurm start a job as soon as it is back in the queue; left alone it waits two minutes."""
    study.lab.wait(lambda: study.lab.job(number)["JobState"] == "PENDING", "the requeued job", 120)
    study.lab.run("scontrol", "update", f"JobId={number}", "StartTime=now")


@pytest.fixture
def training(new_study, study):
    """A study that lacks its training, which is longer here."""
    return new_study(study, TRAINED, train=LONG)


def test_a_job_that_needs_more_memory_gets_it(new_study, study):
    memory = "200 if attempt == 1 else 3000"
    site = {"set-resources": {"fit_glm_motor": {"mem_mb": memory}}}
    other = new_study(study, [f"glm/{RUN}"], site)
    target = f"results/glm/{RUN}/summary.json"
    other.snakemake(target)
    first, second = (other.lab.job(number) for number in other.submitted())
    assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("200M", "3000M")
    assert (other.folder / target).is_file() and other.nothing_is_left()


def test_one_of_a_group_fails_and_the_rest_of_it_stays(new_study, study):
    made = ["glm/*", "decompose/raw/*"]
    other = new_study(study, made, {"retries": 1})
    events = next((other.results / "demo").glob("sub-01/func/*_events.tsv"))
    mtime = events.stat().st_mtime_ns
    events.write_text("onset\tduration\ttrial_type\n1\t-5\tcue\n")
    os.utime(events, ns=(mtime, mtime))
    process = other.start(*(f"results/decompose/raw/{run}/maps.nii.gz" for run in (RUN, OTHER)))
    assert process.wait(600) != 0
    said = other.output[other.output.index("fit_glm_motor results/glm") :]
    assert "Slurm: job" in said and "EventsError" in said and OTHER not in said
    assert f"whole log: results/logs/glm/{RUN}.log" in said
    assert len(other.submitted()) == 2
    stayed = [
        f"glm/{OTHER}/summary.json",
        f"decompose/raw/{OTHER}/maps.nii.gz",
        f"decompose/raw/{RUN}/summary.json",
    ]
    assert [name for name in stayed if not (other.results / name).is_file()] == []
    assert not (other.results / f"glm/{RUN}/summary.json").exists()
    # Only what had failed was tried again.
    again = (other.folder / ".snakemake/slurm_logs").rglob(f"{other.submitted()[1]}.log")
    assert "Error in rule fit_glm_motor" in (text := next(again).read_text())
    assert "rule learn_dictionary" not in text
    assert other.nothing_is_left()


def test_a_cancelled_training_goes_on(new_study, study):
    training = new_study(study, TRAINED, train=TOLD_TO_END)
    process = training.start("train")
    training.wait_for_epoch(process)
    done = done_so_far(training)
    training.lab.run("scancel", training.job("train_model"))
    training.finish(process)
    first, second = training.submitted()
    assert training.lab.job(first)["JobState"] == "CANCELLED"
    assert training.lab.job(second)["JobState"] == "COMPLETED"
    went_on(training, done)


def test_a_training_that_is_preempted_on_one_of_two_nodes_goes_on(on_two_nodes, study):
    training = on_two_nodes(study, TRAINED, "srun", **TOLD_TO_END)
    lab = training.lab
    process = training.start("train")
    training.wait_for_epoch(process)
    hold(training)
    done = done_so_far(training)
    number, node = training.job("train_model"), "gpu2"  # not that of the supervisor
    assert lab.job(number)["NumNodes"] == "2"
    urgent = lab.run(
        "sbatch", "--parsable", "-p", "urgent", "-w", node, "--exclusive", "-o", "/dev/null", "--wrap", "true"
    ).strip()
    requeued(training, number)
    training.finish(process)
    assert lab.job(urgent)["JobState"] == "COMPLETED" and training.submitted() == [number]
    assert (lab.job(number)["JobState"], lab.job(number)["Restarts"]) == ("COMPLETED", "1")
    went_on(training, done)


def test_a_training_over_its_time_goes_on_with_more(new_study, study):
    site = {
        "set-resources": {"train_model": {"runtime": "20 if attempt == 1 else 30", "slurm_partition": "gpu"}}
    }
    training = new_study(study, TRAINED, site, train=TOLD_TO_END)
    process = training.start("train")
    training.wait_for_epoch(process)
    hold(training)
    done = done_so_far(training)
    # Slurm counts in minutes: what is left of them is taken away.
    training.lab.run("scontrol", "update", f"JobId={training.job('train_model')}", "TimeLimit=1")
    training.finish(process)
    first, second = training.submitted()
    assert training.lab.job(first)["JobState"] == "TIMEOUT"
    assert training.lab.job(second)["TimeLimit"] == "00:30:00"
    went_on(training, done)


def test_snakemake_is_killed_and_resumed(training):
    process = training.start("train")
    wait_for_checkpoint(training, process)
    hold(training)
    done = max(checkpoints(training))
    process.kill()  # alone: its job lives on
    process.wait()
    assert len(training.jobs()) == 1
    training.finish(training.start("train", command=("dca.cli", "resume", "--")))
    first, second = training.submitted()
    one, two = training.lab.job(first), training.lab.job(second)
    assert one["JobState"] == "CANCELLED" and two["JobState"] == "COMPLETED"
    assert one["EndTime"] <= two["StartTime"]
    went_on(training, done)


def test_resuming_can_wait_for_what_is_under_way(new_study, study):
    other = new_study(study, ["features"])
    process = other.start("features")
    job = other.job("dca")
    process.kill()
    process.wait()
    other.finish(other.start("features", command=("dca.cli", "resume", "--wait", "--")))
    assert other.lab.job(job)["JobState"] == "COMPLETED"
    assert set(other.submitted()) <= {job}  # the killed one may not have come to say so
    assert len(list(other.results.glob("features/*.h5"))) == 2 and other.nothing_is_left()


def test_resuming_refuses_a_second_snakemake(training):
    process = training.start("train")
    wait_for_checkpoint(training, process)
    second = training.start("train", command=("dca.cli", "resume", "--"))
    assert second.wait(300) == 1 and "a snakemake is at work here" in training.output
    os.kill(process.pid, signal.SIGINT)
    process.wait(300)
    training.lab.wait(lambda: not training.jobs(), "an empty queue")


def test_a_training_on_a_lost_node_goes_on_on_another(training):
    lab = training.lab
    process = training.start("train")
    wait_for_checkpoint(training, process)
    hold(training)  # the orphan is still there when its successor comes
    done = max(checkpoints(training))
    number = training.job("train_model")
    node = lab.job(number)["NodeList"]
    lab.kill_node(node)
    try:
        requeued(training, number)
        training.finish(process)
    finally:
        lab.start_node(node)
    assert lab.job(number)["Restarts"] == "1"
    last = lab.job(training.submitted()[-1])
    assert last["JobState"] == "COMPLETED" and last["NodeList"] != node
    went_on(training, done)
    lab.wait(lambda: lab.states()[node] == "idle", "the node's return")
