"""What this machine has, what it lacks, and how to get it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dca.preprocess.fsl import install

ESSENTIAL = {  # module: what it is for
    "tensorflow": "the model",
    "keras": "the model",
    "spams": "dictionary learning",
    "nilearn": "the GLM and masks",
    "nibabel": "images",
    "SimpleITK": "bias field and registration",
    "h5py": "shards",
    "bids": "reading BIDS datasets",
    "snakemake": "the workflow",
}
MEMORY_GB = 4
DISK_GB = 5


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes
    ----------
    what : str
    state : {"ok", "limited", "missing"}
        ``limited``: something optional does not work; ``missing``: the pipeline does not.
    detail : str
        Version or amount; what to do where it is not ok.
    """

    what: str
    state: str
    detail: str


def examine(folder: str | Path = ".") -> list[Finding]:
    """Check programs, packages and resources.

    Parameters
    ----------
    folder : path
        Where results would go: its free space is looked at.
    """
    return [*_packages(), _niimath(), _horovod(), *_fsl(), *_machine(Path(folder))]


def _packages() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] == (3, 11)
    remedy = "" if fits else "; the locked packages are for 3.11: make PYTHON=/path/to/python3.11 env"
    yield Finding("Python", "ok" if fits else "limited", version + remedy)
    for name, purpose in ESSENTIAL.items():
        try:
            module = importlib.import_module(name)
        except Exception as error:  # a package may be there and broken in any way
            yield Finding(name, "missing", f"{purpose}: {_line(error)}; run: make env")
        else:
            yield Finding(name, "ok", str(getattr(module, "__version__", "")) or _distribution_version(name))


def _niimath() -> Finding:
    try:
        import niimath

        subprocess.run([niimath.bin], capture_output=True, timeout=20)
    except Exception as error:
        return Finding("niimath", "missing", f"motion and the temporal filter: {_line(error)}; run: make env")
    return Finding("niimath", "ok", str(niimath.__version__))


def _horovod() -> Finding:
    remedy = "training in several processes; set train.mode: single, or run: make horovod"
    try:
        import horovod
        import horovod.tensorflow as hvd
    except Exception as error:
        compiler = "" if shutil.which("g++") else " (g++ is missing: install it first)"
        return Finding("Horovod", "limited", f"{remedy}{compiler} ({_line(error)})")
    if not hvd.gloo_built():
        return Finding("Horovod", "limited", f"built without Gloo: {remedy}")
    return Finding("Horovod", "ok", f"{horovod.__version__} with Gloo")


def _fsl() -> Iterator[Finding]:
    absent = [program for program in install.PROGRAMS if not install.find(program)]
    if len(absent) == len(install.PROGRAMS):
        yield Finding("FSL", "limited", f"not found; only backend fsl needs it: {install.REMEDY}")
        return
    if absent:
        yield Finding("FSL", "limited", f"{install.version()} without {', '.join(absent)}: {install.REMEDY}")
    else:
        yield Finding("FSL", "ok", install.version())
    if templates := install.missing_templates():
        names = f"{', '.join(path.name for path in templates)} in {templates[0].parent}"
        needed = "only preprocess.registration needs them"
        yield Finding("FSL's templates", "limited", f"without {names}; {needed}: {install.REMEDY}")
    if not install.find(install.GRADUNWARP):
        needed = "only preprocess.fsl.gradient_coefficients needs it"
        remedy = "pip install gradunwarp"
        yield Finding("gradunwarp", "limited", f"{install.GRADUNWARP} not found; {needed}: {remedy}")


def _machine(folder: Path) -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    yield Finding(
        "cores", "ok" if cores > 1 else "limited", f"{cores}" + ("" if cores > 1 else "; it will take long")
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    enough = memory >= MEMORY_GB
    yield Finding(
        "memory",
        "ok" if enough else "limited",
        f"{memory:.0f} GB" + ("" if enough else f"; {MEMORY_GB} GB are needed"),
    )
    existing = next(parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(existing).free / 1e9
    enough = free >= DISK_GB
    yield Finding(
        "disk",
        "ok" if enough else "limited",
        f"{free:.0f} GB free in {existing}" + ("" if enough else "; make room"),
    )
    writable = os.access(existing, os.W_OK)
    yield Finding(
        "results folder",
        "ok" if writable else "missing",
        str(existing) + ("" if writable else " cannot be written; choose another"),
    )
    gpu = shutil.which("nvidia-smi")
    yield Finding("GPU", "ok" if gpu else "limited", "found" if gpu else "none: training runs on the CPU")


def _distribution_version(module: str) -> str:
    names = metadata.packages_distributions().get(module, [])
    return metadata.version(names[0]) if names else "installed"


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
