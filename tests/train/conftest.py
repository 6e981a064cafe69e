import json
import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from dca.files import read_tsv
from dca.model import Architecture
from dca.signals import write_shard
from dca.train import TrainSettings
from dca.train.autoencoding import Autoencoding
from dca.train.job import Job
from dca.train.processes import desk
from dca.train.split import TrainingData

# Takes a pickled job, leaves its outcome or what it raised: a job that tests may kill.
DRIVER = """
import importlib, pickle, sys
from dca.errors import DCAError
from dca.train.lock import sole_training
job = pickle.load(open(sys.argv[1], "rb"))
try:
    with sole_training(job.folder):
        result = importlib.import_module("dca.train." + job.settings.mode).run(job)
except DCAError as error:
    print(error, file=sys.stderr)
    sys.exit(9)
pickle.dump(result, open(sys.argv[2], "wb"))
"""


@pytest.fixture(scope="session")
def write_sinusoids() -> Callable[..., Path]:
    """Write a shard of sinusoids in noise; `numbered` counts its rows in their first column."""

    def write(
        folder, run_id="sub-1", rows=50, length=40, tr=2.0, subject=None, seed=0, numbered=None
    ) -> Path:
        random = np.random.default_rng(seed)
        time, phase = np.arange(length), random.uniform(0, 7, (rows, 1))
        signals = np.sin(2 * np.pi * time / random.uniform(6, 20, (rows, 1)) + phase)
        signals += 0.3 * random.standard_normal((rows, length))
        signals -= signals.mean(1, keepdims=True)
        signals /= signals.std(1, keepdims=True)
        if numbered is not None:
            signals[:, 0] = numbered + np.arange(rows)
        path = folder / f"{run_id}.h5"
        attributes = {
            "run_id": run_id, "subject": subject or run_id, "tr": tr, "affine": np.eye(4),
            "shape": (rows, 1, 1), "space": None, "seed": seed, "source": "bold", "mask": "mask",
            "source_sha256": f"source {run_id} {seed}", "mask_sha256": "mask",
            "preprocessing": {"highpass_s": 100}, "excluded": {},
        }  # fmt: skip
        write_shard(
            path, [signals.astype(np.float32)], length=length, voxel=np.arange(rows),
            mean=np.zeros(rows), std=np.ones(rows), attributes=attributes,
        )  # fmt: skip
        return path

    return write


@pytest.fixture
def make_shard(write_sinusoids, tmp_path) -> Callable[..., Path]:
    """Write such a shard into the test's own folder."""
    return partial(write_sinusoids, tmp_path)


@pytest.fixture(scope="session")
def tiny() -> Architecture:
    """A network that trains in no time."""
    return Architecture(40, (3, 4), (5, 3), (2,), 6, 0.006, True)


@pytest.fixture
def make_job(tmp_path, make_shard, tiny):
    """A function that makes a job: two training shards of 150 and 90 rows, unless told otherwise."""

    def make(name="out", rows=(150, 90), **settings) -> Job:
        shards = [make_shard(f"{name}-{i}", n, tiny.length, seed=i) for i, n in enumerate(rows)]
        data = TrainingData.from_shards(shards, [make_shard("validation", 40, tiny.length, seed=9)])
        chosen = TrainSettings(**{"workers": 2, "batch_size": 10, "ramp_steps": 5, **settings})
        return Job(Autoencoding(data, tiny), tmp_path / name, chosen, chosen.resolve(data.rows), 3, 2)

    return make


class Running:
    """A job in a process of its own, all of whose processes can be found.

    Parameters
    ----------
    job : Job
    folder : Path
        For its files.
    prefix : sequence of str
        Command that starts the process.
    environment : dict
        Variables to set.
    """

    def __init__(self, job: Job, folder: Path, prefix=(), **environment: str) -> None:
        self.job, self.token = job, uuid.uuid4().hex
        self.text: str | None = None
        self._killed: set[int] = set()
        self.outcome_file = folder / f"{self.token}.outcome"
        job_file = folder / f"{self.token}.job"
        job_file.write_bytes(pickle.dumps(job))
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", DRIVER, str(job_file), str(self.outcome_file)],
            env={**os.environ, "DCA_TEST": self.token, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )

    def members(self) -> dict[str, int]:
        """Role to process id, of all processes of this job."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.token.encode() in (entry / "environ").read_bytes():
                    words = (entry / "cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
                    if words != [""]:  # neither a zombie
                        found[_role(words)] = int(entry.name)
            except OSError:
                continue  # It has just ended.
        return found

    def wait_for_update(self, least: int) -> None:
        """Wait until a checkpoint of so many updates is there."""
        give_up = time.monotonic() + 120
        while not any(step >= least for step in saved(self.job)):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < give_up, "no progress"
            time.sleep(0.02)

    def last_checkpoint(self) -> int:
        """Updates of the newest checkpoint."""
        return max(saved(self.job))

    def kill(self, role: str, number: int = signal.SIGKILL) -> None:
        os.kill(self.members()[role], number)

    def kill_next(self, role: str) -> None:
        """Kill a process as soon as there is one that was not killed before."""
        give_up = time.monotonic() + 60
        while (pid := self.members().get(role)) is None or pid in self._killed:
            assert time.monotonic() < give_up, f"no {role}"
            time.sleep(0.02)
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    def end(self, timeout: float = 120) -> str:
        """Wait for the end of the job; what it wrote. No process of it may be left soon after."""
        if self.text is None:
            _, self.text = self.process.communicate(timeout=timeout)
        give_up = time.monotonic() + 20
        while self.members():
            assert time.monotonic() < give_up, f"left over: {self.members()}"
            time.sleep(0.05)
        return self.text

    def outcome(self):
        text = self.end()
        assert self.process.returncode == 0, text
        return pickle.loads(self.outcome_file.read_bytes())


def _role(words: list[str]) -> str:
    if words[1:3] == ["-m", "dca.train.processes"]:
        return " ".join(words[3:])
    return "job" if words[1:3] == ["-c", DRIVER] else f"launcher {words[0]}"


def saved(job: Job) -> list[int]:
    return [int(path.stem.removeprefix("step-")) for path in job.folder.glob("checkpoints/step-*.npz")]


@pytest.fixture
def start(tmp_path):
    """A function that starts a job in processes of its own; they are gone when the test is."""
    started = []

    def run(job: Job, **options) -> Running:
        started.append(Running(job, tmp_path, **options))
        return started[-1]

    yield run
    for running in started:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def check_complete():
    """A function that checks that every row was used once per epoch, and every update recorded once."""

    def check(job: Job, outcome) -> None:
        steps = sum(
            -(-job.workload.data.agenda.share(i, job.settings.workers).rows(1) // job.plan.batch_size)
            for i in range(job.settings.workers)
        )
        assert (
            sum(outcome.details["rows_by_worker"])
            == outcome.samples
            == job.workload.data.rows * job.settings.epochs
        )
        assert outcome.updates == sum(outcome.details["updates_by_worker"]) == steps * job.settings.epochs
        history = read_tsv(job.folder / "history.tsv")
        train = history[history["split"] == "train"]
        assert sorted(train["step"]) == list(range(1, outcome.updates + 1))
        assert train["samples"].max() == outcome.samples
        assert not outcome.details["lost_workers"] and outcome.rows_left == 0

    return check


@pytest.fixture
def check_nothing_leaks():
    """A function that checks a running job of this machine.

    The token, if there is a desk, is on no command line and in no environment, and the job's own processes
    listen on loopback only.
    """

    def check(running: Running) -> None:
        word = running.job.folder / desk.FILE
        if running.job.settings.launcher != "local":
            token = json.loads(word.read_text())["token"].encode()
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        assert token not in (entry / "cmdline").read_bytes()
                        assert token not in (entry / "environ").read_bytes()
                    except OSError:
                        continue
        else:
            assert not word.exists()
        listening = 0
        for role, pid in running.members().items():
            if not role.startswith("launcher"):
                with suppress(psutil.NoSuchProcess):
                    for connection in psutil.Process(pid).net_connections("inet"):
                        if connection.status == psutil.CONN_LISTEN:
                            assert connection.laddr.ip == "127.0.0.1", role
                            listening += 1
        assert listening

    return check
