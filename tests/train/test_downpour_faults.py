"""What the loss or the failure of any part of a Downpour job does; real processes, one job at a time."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from dca.errors import TrainingError
from dca.files import read_tsv
from dca.train import lock
from dca.train.downpour.crew import MAX_RESTARTS
from dca.train.lock import sole_training
from dca.train.split import TrainingData

STOP_S = 20

pytestmark = [
    pytest.mark.horovod,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("processes"),
]


def test_a_lost_worker_is_replaced_and_the_epoch_completes(
    make_job, start, check_complete, check_nothing_leaks
):
    job = make_job(epochs=15, checkpoint_s=0.1, servers=2)
    running = start(job)
    running.wait_for_update(20)
    roles = {"job", "supervisor", "nursery", "server 0", "server 1", "worker 0", "worker 1"}
    assert running.members().keys() == roles | {f"agent {i}" for i in ("0.0", "0.1", "1.0", "1.1")}
    check_nothing_leaks(running)
    running.kill("worker 1")
    running.wait_for_update(130)
    running.kill("agent 0.1")
    outcome = running.outcome()
    check_complete(job, outcome)
    assert outcome.details["restarts_by_worker"] == [1, 1]
    timeline = read_tsv(job.folder / "timeline.tsv")
    starts = timeline[(timeline["worker"] == 1) & (timeline["phase"] == "start-up")]
    assert len(starts) == 2
    # Worker 0 went on while the successor of worker 1 came up.
    begin, end = starts[["start_s", "end_s"]].iloc[1]
    computing = timeline[(timeline["worker"] == 0) & (timeline["phase"] == "compute")]
    assert ((computing["start_s"] > begin) & (computing["start_s"] < end)).any()
    # And no slower: its steps meanwhile, as long as it was not lost itself, come as those before did.
    own = timeline[(timeline["worker"] == 0) & (timeline["phase"] == "lost")]["start_s"].min()
    steps = np.sort(computing["start_s"])
    since, until, gaps = steps[:-1], steps[1:], np.diff(steps)
    before, meanwhile = gaps[until < begin], gaps[(until > begin) & (since < end) & (until < own)]
    assert np.median(meanwhile) < 8 * np.median(before)
    assert meanwhile.max() < end - begin


def test_the_rows_of_a_worker_that_is_lost_for_good_go_to_the_others(make_job, start):
    job = make_job(workers=3, epochs=30, warmup_steps=0, checkpoint_s=0.1, overlap=True)
    running = start(job)
    running.wait_for_update(20)
    for _ in range(MAX_RESTARTS + 1):
        running.kill_next("worker 1")
        running.wait_for_update(running.last_checkpoint() + 10)
    outcome = running.outcome()
    assert outcome.details["lost_workers"].keys() == {"1"}
    assert outcome.details["restarts_by_worker"] == [0, MAX_RESTARTS, 0]
    # Every row once per epoch, all the same.
    assert outcome.samples == sum(outcome.details["rows_by_worker"]) == job.workload.data.rows * 30
    assert outcome.rows_left == 0
    history = read_tsv(job.folder / "history.tsv")
    train = history[history["split"] == "train"]
    assert sorted(train["step"]) == list(range(1, outcome.updates + 1))
    assert set(train["epoch"]) == set(range(30))


def test_a_worker_that_stands_still_holds_up_nobody(make_job, start, check_complete):
    job = make_job(epochs=20, checkpoint_s=0.1, overlap=True, warmup_steps=10)
    running = start(job)
    running.wait_for_update(20)
    running.kill("worker 0", signal.SIGSTOP)
    begin = time.monotonic()
    stopped = running.last_checkpoint()
    running.wait_for_update(stopped + 150)  # worker 1 alone
    time.sleep(max(0, STOP_S - (time.monotonic() - begin)))
    running.kill("worker 0", signal.SIGCONT)
    outcome = running.outcome()
    check_complete(job, outcome)
    assert outcome.details["restarts_by_worker"] == [0, 0]
    # What it had begun before was pushed after, and its age was counted.
    assert max(map(int, outcome.details["staleness"])) >= 100
    # Worker 1 went on all the while, unless it came to its end.
    timeline = read_tsv(job.folder / "timeline.tsv").query("phase == 'compute'")
    starts = [np.sort(timeline.loc[timeline["worker"] == worker, "start_s"]) for worker in (0, 1)]
    last = np.diff(starts[0]).argmax()
    since, until = starts[0][last : last + 2]
    assert until - since > 0.99 * STOP_S  # of another clock
    meanwhile = starts[1][(starts[1] > since) & (starts[1] < until)]
    assert len(meanwhile) >= 100
    assert np.diff(meanwhile).max() < (until - since) / 2


def told(text):
    """What a job said, without its progress bar."""
    return [line for line in text.splitlines() if line.strip() and "%|" not in line]


def trained(job):
    """The updates of a history, in their order."""
    history = read_tsv(job.folder / "history.tsv")
    return history[history["split"] == "train"].sort_values("step", ignore_index=True)


def rare(job):
    """The same with a checkpoint now and then, so that one at an end is that which a signal asks for."""
    return replace(job, settings=replace(job.settings, checkpoint_s=1))


@pytest.mark.parametrize("servers", [1, 2])
def test_whatever_ends_a_job_a_rerun_completes_it(make_job, start, check_complete, servers):
    job = make_job(epochs=20, checkpoint_s=0.1, servers=servers)
    running = start(job)
    running.wait_for_update(20)
    begin = time.monotonic()
    running.kill(f"server {servers - 1}")
    text = running.end()
    assert time.monotonic() - begin < 20
    assert running.process.returncode == 9
    assert f"a parameter server was lost: server {servers - 1} ended with SIGKILL" in text
    assert "goes on from update" in text
    assert told(text) == [
        f"train: a parameter server was lost: server {servers - 1} ended with SIGKILL; "
        f"run again: training goes on from update {running.last_checkpoint()}"
    ]

    last = running.last_checkpoint()
    running = start(job if servers == 1 else rare(job))
    running.wait_for_update(last + 20)
    running.kill("job", signal.SIGTERM)
    text = running.end()
    assert running.process.returncode == -signal.SIGTERM
    assert running.last_checkpoint() >= last + 20
    assert f"train: was stopped by SIGTERM after update {running.last_checkpoint()}; run again" in text

    if servers == 1:
        last = running.last_checkpoint()
        running = start(job)
        running.wait_for_update(last + 20)
        running.kill("supervisor")
        text = running.end()
        assert running.process.returncode == 9
        assert "the supervisor of the training ended (SIGKILL)" in text

        last = running.last_checkpoint()
        running = start(job)
        running.wait_for_update(last + 20)
        running.kill("job")
        running.end()

    # At last with another number of servers: what was learned until then stays.
    last, before = running.last_checkpoint(), trained(job)
    other = replace(job, settings=replace(job.settings, servers=3 - servers))
    running = start(other)
    outcome = running.outcome()
    check_complete(other, outcome)
    assert "afresh" not in running.text
    assert trained(other).query(f"step <= {last}").equals(before.query(f"step <= {last}"))
    assert outcome.validation.total < outcome.details["initial_validation_loss"]["loss"]


def test_a_folder_is_locked_until_the_last_process_of_a_killed_job_has_ended(make_job, start, monkeypatch):
    job = make_job(epochs=100, checkpoint_s=0.1)
    running = start(job)
    running.wait_for_update(20)
    supervisor = running.members()["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)
    running.kill("job")
    running.process.wait()
    monkeypatch.setattr(lock, "WAIT_S", 1)
    try:
        with pytest.raises(TrainingError, match="is being trained into"), sole_training(job.folder):
            pass
    finally:
        os.kill(supervisor, signal.SIGCONT)
    monkeypatch.setattr(lock, "WAIT_S", 60)
    with sole_training(job.folder):
        assert not running.members()


def test_a_worker_with_bad_gradients_is_stopped_and_the_others_go_on(make_job, start):
    # Of the worker that all others wait for, and go on without: its warm-up would never end.
    job = make_job(epochs=6, servers=2, warmup_steps=1000)
    for own in job.workload.data.train:  # the rows of worker 0
        with h5py.File(own.path, "r+") as file:
            file["signals"][: own.stop // 2] = np.nan
    outcome = start(job).outcome()
    assert outcome.details["rows_by_worker"] == [0, 720]
    assert 20 <= outcome.rejected < 72  # of 72: it is ended after 20, and may push some more until it is
    assert "its last 20 gradients were not finite" in outcome.details["lost_workers"]["0"]
    assert np.isfinite(outcome.weights).all()
    # Neither used nor refused, and 10 rows are in each batch of worker 0.
    assert outcome.rows_left == 720 - 10 * outcome.rejected > 0


def test_bad_gradients_of_all_end_the_job(make_job, start):
    job = make_job(epochs=3, workers=1)
    for own in job.workload.data.train:
        with h5py.File(own.path, "r+") as file:
            file["signals"][:] = np.inf
    running = start(job)
    text = running.end()
    assert running.process.returncode == 9
    assert "no worker is left; the last: its last 20 gradients were not finite" in text


def test_a_damaged_or_missing_shard_is_named(make_job, start):
    damaged, missing = make_job("damaged"), make_job("missing")
    path = damaged.workload.data.train[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 4 :] = b""
    path.write_bytes(content)
    missing.workload.data.train[1].path.unlink()
    for job, name, problem in ((damaged, "damaged-0.h5", ""), (missing, "missing-1.h5", "does not exist")):
        running = start(job)
        text = running.end()
        assert running.process.returncode == 9
        last = text.strip().splitlines()[-1]
        assert f"{name}: {problem}" in last and "; " in last


def test_a_full_disk_ends_the_job_and_a_rerun_completes_it(make_job, start, check_complete, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can make a small disk here")
    try:
        job = replace(make_job(epochs=15, checkpoint_s=0.1), folder=disk / "out")
        running = start(job)
        running.wait_for_update(20)
        with open(disk / "filler", "wb", buffering=0) as filler:
            for size in (4096, 1):
                with pytest.raises(OSError, match="No space"):
                    while True:
                        filler.write(bytes(size))
        text = running.end()
        assert running.process.returncode == 9
        assert "No space left on device" in text.strip().splitlines()[-1]
        (disk / "filler").unlink()
        outcome = start(job).outcome()
        check_complete(job, outcome)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_checkpoint_of_another_training_is_not_used(
    make_job, start, check_complete, write_sinusoids, tmp_path
):
    job = make_job(epochs=15, checkpoint_s=0.1)
    running = start(job)
    running.wait_for_update(20)
    running.kill("job", signal.SIGTERM)
    running.end()
    # The same runs made from other sources: as many rows, with other series in them.
    remade = tmp_path / "remade"
    remade.mkdir()
    shards = [write_sinusoids(remade, f"out-{i}", n, 40, seed=5 + i) for i, n in enumerate((150, 90))]
    data = TrainingData.from_shards(shards, [job.workload.data.validation[0].path])
    short, others = replace(job.settings, epochs=1), []
    for name, workload, settings in (
        ("settings", job.workload, replace(short, learning_rate=0.02)),
        ("data", replace(job.workload, data=data), short),
    ):
        others.append(replace(job, folder=tmp_path / name, workload=workload, settings=settings))
        shutil.copytree(job.folder, tmp_path / name)
    for other, running in [(other, start(other)) for other in others]:
        text = running.end()
        assert "it belongs to other data, another model or other settings" in text
        assert "training starts afresh" in text
        check_complete(other, running.outcome())


FIRST_PORT, PORTS = 42_000, 300
OCCUPY = f"""
import socket, sys
taken = [socket.create_server(("127.0.0.1", {FIRST_PORT} + number)) for number in range(int(sys.argv[1]))]
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def crowded():
    """A function that makes a network with so many of its few ports in use, and gives the way into it."""
    name, occupiers = f"dca-{os.getpid()}-ports", []
    inside = ["ip", "netns", "exec", name]

    def make(used: int) -> list[str]:
        limits = f"echo {FIRST_PORT} {FIRST_PORT + PORTS - 1} > /proc/sys/net/ipv4/ip_local_port_range"
        for command in (["ip", "netns", "add", name], ["ip", "-n", name, "link", "set", "lo", "up"]):
            subprocess.run(command, check=True)
        subprocess.run([*inside, "sh", "-c", limits], check=True)
        command = [*inside, sys.executable, "-c", OCCUPY, str(used)]
        occupiers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert occupiers[0].stdout.readline() == b"taken\n"
        return inside

    yield make
    for occupier in occupiers:
        occupier.communicate()
    subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.mark.namespaces
def test_ports_in_use_are_passed_over(make_job, start, check_complete, crowded):
    job = make_job(epochs=1)
    check_complete(job, start(job, prefix=crowded(PORTS // 2)).outcome())


@pytest.mark.namespaces
def test_no_free_port_ends_the_job(make_job, start, crowded):
    running = start(make_job(), prefix=crowded(PORTS))
    assert "127.0.0.1: cannot be listened at (Address already in use)" in running.end()
    assert running.process.returncode
