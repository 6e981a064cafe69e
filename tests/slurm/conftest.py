"""A cluster for all tests of this folder, and studies that are run on it as a user would."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from dca.config import ROOT, merge

SMALL = {
    "seed": 3,
    "demo": {"subjects": 2, "voxel_mm": 12},
    "input": {"validation": 0.5},
    "model": {"features": [4, 8, 8, 8], "filters": [9, 5, 5, 5]},
    "train": {"workers": 2, "batch_size": 32, "max_steps": 40, "learning_rate": 0.003, "checkpoint_s": 0.2},
    "decompose": {"atoms": 12},
    "compare": {"surrogates": 50},
    "cluster": {"worker_cpus": 1},
}
# Training on both GPU nodes, each with so many CPUs. Supervisor and servers are a step on the first.
TWO_NODES = {"slurm_partition": "gpu", "gres": "gpu:1", "nodes": 2, "cpus_per_task": 2}
# The lab's own profile, as a site has one. Without accounting, squeue is what there is to ask.
SITE = {
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 1,
    "latency-wait": 20,
    "default-resources": {"slurm_partition": "cpu"},
    "set-resources": {"train_model": {"slurm_partition": "gpu", "gres": "gpu:1"}},
}


def pytest_collection_modifyitems(items):
    """All on one worker, as there is one cluster; it waits more than it computes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in (pytest.mark.slurm, pytest.mark.horovod, pytest.mark.xdist_group("slurm")):
                item.add_marker(mark)
            item.add_marker(pytest.mark.timeout(1800))


def load_lab():
    spec = importlib.util.spec_from_file_location("lab", Path(__file__).with_name("lab.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def lab():
    """The running cluster."""
    cluster = load_lab().Lab()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@dataclass
class Study:
    """A folder with a user's settings, and snakemake on the cluster's login node."""

    folder: Path
    lab: object

    @property
    def results(self):
        return self.folder / "results"

    def configure(self, **changes):
        (self.folder / "my.yaml").write_text(yaml.safe_dump(merge(SMALL, changes)), encoding="utf-8")

    def site(self, **changes):
        """Write the site's profile, changed as asked."""
        profile = self.folder / "mysite" / "config.yaml"
        profile.parent.mkdir(exist_ok=True)
        profile.write_text(yaml.safe_dump({**SITE, **changes}))

    @property
    def options(self):
        profiles = ["--profile", str(ROOT / "slurm"), "--profile", "mysite"]
        return ["-s", str(ROOT / "Snakefile"), "--configfile", "my.yaml", *profiles]

    def start(self, *arguments, command=("snakemake",)):
        """Start snakemake; what it says goes to a file, for it may outlive its reader."""
        with open(self.folder / "snakemake.out", "ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *command, *self.options, *arguments],
                cwd=self.folder, env=self.lab.environment, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    @property
    def output(self):
        return (self.folder / "snakemake.out").read_text(errors="replace")

    def finish(self, process, seconds=900):
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = "timeout"
        assert status == 0, f"status {status}\n{self.output[-8000:]}\n{self.lab.run('squeue')}"

    def snakemake(self, *arguments):
        self.finish(self.start(*arguments))

    def wait(self, pattern, process=None, seconds=400):
        """Wait for files; none must be missing when snakemake has ended."""
        deadline = time.monotonic() + seconds
        while not list(self.folder.glob(pattern)):
            ended = process is not None and process.poll() is not None
            assert not ended and time.monotonic() < deadline, f"no {pattern}\n{self.output[-5000:]}"
            time.sleep(0.05)

    @property
    def log(self):
        """What the training under way writes, or the last one wrote; empty before."""
        file = self.results / "logs/train.log"
        return file.read_text() if file.exists() else ""

    @property
    def updates(self):
        """Updates of the training under way, by its progress bar."""
        return max(map(int, re.findall(r"(\d+)/\d+ \[", self.log)), default=0)

    def wait_for_epoch(self, process):
        """Wait until all workers of a training have an epoch behind them."""
        ended = re.compile(r"Validation loss after [1-9]")
        self.lab.wait(lambda: ended.search(self.log) or process.poll() is not None, "an epoch's end", 300)
        assert process.poll() is None

    def workers(self):
        """Processes of the study's training that compute, not what started them on other nodes."""
        found = []
        for process in psutil.process_iter(["cmdline", "name"]):
            if process.info["name"] not in ("srun", "mpirun") and "worker" in (process.info["cmdline"] or []):
                with suppress(psutil.Error):
                    if process.cwd() == str(self.folder):
                        found.append(process)
        return found

    def job(self, rule):
        """The number of the job of a rule or group that is in the queue."""
        found = []
        self.lab.wait(lambda: found.extend(j for j in self.jobs() if rule in j["comment"]) or found, rule)
        return found[0]["id"]

    def jobs(self):
        """The study's jobs that are in the queue."""
        return [job for job in self.lab.jobs() if job["folder"] == str(self.folder)]

    def submitted(self):
        """Slurm's numbers of the jobs that were submitted."""
        told = [line for line in self.output.splitlines() if "has been submitted with SLURM jobid" in line]
        return [line.split("SLURM jobid ")[1].split()[0] for line in told]

    def nothing_is_left(self):
        """No job in the queue, no process of one, no file half written."""
        self.lab.wait(lambda: not self.jobs(), "an empty queue")
        self.lab.wait(lambda: not self.lab.processes(), "the end of all processes")
        hidden = {path.name for path in self.results.rglob(".*") if path.is_file()}
        return hidden <= {".snakemake_timestamp"} and not (self.results / "train" / "checkpoints").exists()


@pytest.fixture(scope="session")
def new_study(lab, tmp_path_factory):
    """Make a study; with `done`, one that has all of that study's files but those matching `without`."""

    def make(done=None, without=(), site=None, **changes):
        # The demo's files have other paths in a copy, but are no younger.
        site = (site or {}) | ({"rerun-triggers": "mtime"} if done else {})
        study = Study(tmp_path_factory.mktemp("study") / "x", lab)
        if done is None:
            study.folder.mkdir()
        else:
            shutil.copytree(done.folder, study.folder)  # with times: nothing is out of date
            for path in [path for pattern in without for path in study.results.glob(pattern)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            (study.folder / "snakemake.out").unlink()
        study.configure(**changes)
        study.site(**site)
        return study

    return make


@pytest.fixture
def on_two_nodes(new_study):
    """Make a study whose training is on both GPU nodes."""

    def make(done, without, launcher, **train):
        # All nodes of the lab are this machine, and have no addresses of their own.
        train |= {"launcher": launcher, "interface": "lo"}
        return new_study(done, without, {"set-resources": {"train_model": TWO_NODES}}, train=train)

    return make


@pytest.fixture(scope="session")
def study(new_study):
    """The small study, complete; as on a cluster that has no GPUs."""
    made = new_study(site={"set-resources": {"train_model": {"slurm_partition": "cpu"}}})
    made.snakemake()
    return made
