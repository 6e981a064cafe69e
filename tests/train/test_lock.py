import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from dca.errors import OutputError, TrainingError
from dca.train import lock
from dca.train.lock import sole_training

OTHER = """
import signal, sys, time
from dca.train.lock import sole_training

def stop(*_):
    time.sleep(float(sys.argv[2]))  # its checkpoint
    raise SystemExit(5)

signal.signal(signal.SIGTERM, stop)
with sole_training(sys.argv[1]):
    print("at work", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def other(tmp_path):
    """Start another process that trains in the folder."""
    started = []

    def start(takes=0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(tmp_path), str(takes)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "at work\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_training_at_work_is_told_to_stop_and_waited_for(other, tmp_path, caplog):
    process = other()
    begin = time.monotonic()
    with sole_training(tmp_path):
        assert process.wait(timeout=10) == 5
        assert time.monotonic() - begin >= 0.3
    assert f"process {process.pid}" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_killed_holds_up_nobody(other, tmp_path, caplog):
    process = other()
    process.kill()
    process.wait()
    with sole_training(tmp_path):
        pass
    assert caplog.text == ""


def test_one_that_does_not_end_is_an_error_that_names_it(other, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_S", 0.5)
    process = other(takes=60)
    with (
        pytest.raises(TrainingError, match=f"process {process.pid} on {socket.gethostname()}"),
        sole_training(tmp_path),
    ):
        pass


def test_a_number_that_is_another_process_by_now_is_left_alone(other, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_S", 0.5)
    process = other()
    bystander = subprocess.Popen(["sleep", "100"])
    (tmp_path / ".training").write_text(f"{bystander.pid} {socket.gethostname()}\n")
    with pytest.raises(TrainingError), sole_training(tmp_path):
        pass
    assert bystander.poll() is None and process.poll() is None
    bystander.kill()
    bystander.wait()


def test_one_on_another_machine_is_waited_for(other, tmp_path, monkeypatch, caplog):
    process = other()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(lock, "WAIT_S", 0.5)
    with pytest.raises(TrainingError, match="is being trained into"), sole_training(tmp_path):
        pass
    assert process.poll() is None and "waiting" in caplog.text
    os.kill(process.pid, signal.SIGKILL)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), sole_training(tmp_path / "file" / "train"):
        pass


@pytest.mark.parametrize("name", ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
def test_copies_that_a_launcher_started_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "2")
    refused = pytest.raises(TrainingError, match=rf"started 2 times at once by .*\({name}\).*start it once")
    with refused, sole_training(tmp_path):
        pass
    monkeypatch.setenv(name, "1")
    with sole_training(tmp_path):
        pass
