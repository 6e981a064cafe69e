"""No wait is without a limit: each of them fires, here after a moment, and leaves its line."""

import json
import os
import signal
import socket
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest

from dca.errors import TrainingError
from dca.train.downpour import pair as pairs
from dca.train.downpour import supervisor as downpour
from dca.train.processes import client, supervised, waited
from dca.train.processes.channel import ChannelClosedError
from dca.train.processes.network import Interface
from dca.train.processes.site import Site
from dca.train.sync import supervisor as sync

pytestmark = pytest.mark.timeout(60)


class Standing:
    """A process that neither ends nor does anything, and whatever starts such processes."""

    def __init__(self, role="worker 0", status=None) -> None:
        self.role, self.status, self.error, self.pid = role, status, None, os.getpid()
        self.reason = f"{role} ended with status {status}"
        self.site = Site("local", ("localhost",), Interface("lo", "127.0.0.1", "127.0.0.0/8"))

    def start(self, *_):
        return Standing()

    def attend(self):
        pass


@pytest.mark.horovod
@pytest.mark.parametrize(
    ("phase", "limit"), [("start-up", "START_UP_S"), ("train", "STALL_S"), ("leave", "LEAVE_S")]
)
def test_a_pair_that_makes_no_progress_is_lost(monkeypatch, phase, limit):
    task = {"servers": 1, "length": 9, "compression": "none"}
    pair = pairs.Pair(2, task, {}, Standing(), Standing(), lambda *_: None)
    try:
        pair.enter(phase)
        assert pair.failure() is None
        monkeypatch.setattr(pairs, limit, 0.02)
        pair.failure()
        time.sleep(0.05)
        assert pair.failure() == f"worker 2 made no progress for 0 s in phase {phase}"
        pair.enter("wait")  # That is as long as the first worker's warm-up, whose every step has a limit.
        pair._waited._seconds = 1e9
        assert pair.failure() is None
    finally:
        pair._rendezvous.close()


def test_servers_that_do_not_give_the_last_snapshot_are_lost(monkeypatch):
    monkeypatch.setattr(downpour, "ANSWER_S", 0.05)
    supervisor = downpour.Supervisor.__new__(downpour.Supervisor)
    supervisor._last, supervisor._pulse = None, SimpleNamespace(beat=lambda: None)
    supervisor._servers = SimpleNamespace(ask_for_snapshot=lambda final: None, listen=lambda timeout: ())
    with pytest.raises(ChannelClosedError):
        supervisor._final_snapshot()


@pytest.fixture
def in_step():
    """The supervisor of two workers that go in step, and stand still."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    job = SimpleNamespace(settings=SimpleNamespace(workers=2))
    yield sync.Supervisor(job, {}, Standing(), SimpleNamespace(beat=lambda: None))
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("limit", "steps"), [("START_UP_S", [1, 0]), ("STALL_S", [1, 1])])
def test_workers_in_step_that_make_no_progress_are_lost(monkeypatch, in_step, limit, steps):
    monkeypatch.setattr(sync, limit, 0.05)
    reason = in_step._watch([Standing(), Standing()], np.array(steps, np.float32))
    assert reason == "no worker made progress for 0 s"


def test_workers_in_step_that_do_not_stop_at_a_signal_are_lost(monkeypatch, in_step):
    monkeypatch.setattr(sync, "STOP_S", 0.05)
    told = []
    monkeypatch.setattr(in_step, "_pass_on", told.append)
    in_step._note_signal(signal.SIGTERM, None)
    reason = in_step._watch([Standing(), Standing("worker 1")], np.ones(2, np.float32))
    assert reason == "worker 0 did not stop within 0.05 s"
    assert told


def test_a_worker_does_not_look_for_its_supervisor_for_ever(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(client, "REACH_S", 0.05)
    monkeypatch.setattr(client, "RETRY_S", 0.01)
    with pytest.raises(ChannelClosedError):
        client.hello(tmp_path / ".desk", "ticket")
    assert ".desk: the supervisor cannot be reached" in caplog.text

    monkeypatch.setattr(client, "ANSWER_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        word = {"address": "127.0.0.1", "port": silent.getsockname()[1], "token": "t"}
        (tmp_path / ".desk").write_text(json.dumps(word))
        with pytest.raises(ChannelClosedError):
            client.hello(tmp_path / ".desk", "ticket")


# Lives for a moment, and then stands still or ends.
SUPERVISOR = """
import os, pickle, signal
from dca.train.processes.pulse import Pulse

def main(assignment):
    Pulse(assignment.fds["pulse"]).beat()
    if assignment.task["stop"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    with os.fdopen(assignment.fds["result"], "wb") as target:
        pickle.dump("outcome", target)
"""


def test_a_supervisor_that_stands_still_ends_the_job(monkeypatch, tmp_path):
    (tmp_path / "own_supervisor.py").write_text(SUPERVISOR)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    job, started, start = SimpleNamespace(folder=tmp_path / "out"), [], supervised._start

    def note(*arguments):
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(supervised, "_start", note)
    assert supervised.supervised(job, "own_supervisor", stop=False) == "outcome"
    monkeypatch.setattr(supervised, "SILENCE_S", 3)
    with pytest.raises(
        TrainingError, match="out: the supervisor of the training has stood still for 3 s; run"
    ):
        supervised.supervised(job, "own_supervisor", stop=True)
    assert started[1].returncode == -signal.SIGKILL


def test_a_supervisor_that_goes_on_may_take_its_time(monkeypatch):
    beats, looks = np.zeros(1, np.float32), []

    def wait(seconds):
        looks.append(time.sleep(0.01))
        if len(looks) == 30:
            return 0
        beats[0] += len(looks) % 2  # every other look
        raise subprocess.TimeoutExpired("supervisor", seconds)

    monkeypatch.setattr(supervised, "SILENCE_S", 0.2)
    monkeypatch.setattr(waited, "GAP_S", 0.05)  # as in real life: less than the limit
    process = SimpleNamespace(wait=wait)
    assert supervised._outlast(process, beats, SimpleNamespace(folder="out")) == 0
