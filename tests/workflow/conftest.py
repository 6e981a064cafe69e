"""A small study, run once by the real workflow, in a folder with a space and foreign letters."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

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
    "glm": {"contrasts": {"left-right": {"left-finger": 1, "right-finger": -1}}},
    "compare": {"surrogates": 50},
}


@dataclass
class Study:
    """A working directory with a user's settings, from which the workflow is run."""

    folder: Path
    settings: dict
    complete: set[str] = field(default_factory=set)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def files(self) -> set[str]:
        """All results but logs and the demo's data."""
        skip = ("logs/", "benchmarks/", "demo/")
        names = (str(path.relative_to(self.results)) for path in self.results.rglob("*") if path.is_file())
        return {name for name in names if not name.startswith(skip)}

    def configure(self, **changes) -> None:
        text = yaml.safe_dump(merge(self.settings, changes))
        (self.folder / "my.yaml").write_text(text, encoding="utf-8")

    def command(self, *arguments: str, snakefile: Path = ROOT / "Snakefile") -> list[str]:
        base = [sys.executable, "-m", "snakemake", "-s", str(snakefile), "--configfile", "my.yaml", "-c2"]
        return [*base, *arguments]

    def snakemake(self, *arguments: str, check: bool = True, **options) -> subprocess.CompletedProcess:
        done = subprocess.run(
            self.command(*arguments, **options), cwd=self.folder, capture_output=True, text=True, timeout=900
        )
        if check:
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
        return done

    def planned(self, *arguments: str) -> set[str]:
        """Files that a dry run would make, relative to the results."""
        done = self.snakemake("-n", "--quiet=host", *arguments)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
        outputs = [line.removeprefix("output:") for line in lines if line.startswith("output:")]
        return {part.strip().removeprefix("results/") for line in outputs for part in line.split(",")}

    def interrupt(self, number: signal.Signals, once: str) -> None:
        """Start the workflow, and send a signal to it when a file exists."""
        process = subprocess.Popen(
            self.command("--rerun-incomplete"),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 300
        while not list(self.folder.glob(once)):
            assert process.poll() is None, f"ended before {once} appeared"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if number == signal.SIGKILL:  # of snakemake alone: its jobs live on or die, as on a laptop
            process.kill()
        else:
            os.killpg(process.pid, number)
        process.wait(timeout=120)


@pytest.fixture(scope="session")
def new_study(tmp_path_factory):
    """Make an empty study with the small settings or others, changed as asked."""

    def make(settings=SMALL, **changes) -> Study:
        study = Study(tmp_path_factory.mktemp("Studie mit ü"), settings)
        study.configure(**changes)
        return study

    return make


@pytest.fixture(scope="session")
def study(new_study) -> Study:
    """The small study, complete. Tests that change it must leave it complete."""
    made = new_study()
    made.snakemake()
    made.complete = made.files()  # Tests may add what other settings make.
    return made
