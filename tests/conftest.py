"""Fixtures, skips and the order of all tests."""

import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest


def has_mpi() -> bool:
    """Whether Horovod was built with MPI; it is not imported, for that takes seconds."""
    found = importlib.util.find_spec("horovod")
    libraries = Path(found.origin).parent.glob("tensorflow/mpi_lib*.so") if found else []
    return any(b"libmpi.so" in library.read_bytes() for library in libraries)


SLURM = ("slurmctld", "slurmd", "munged", "sbatch")
# What a marker needs that a machine may lack, and the reason to skip without it.
NEEDS = {
    "browser": (lambda: shutil.which("chromium"), "Chromium is not installed"),
    "horovod": (lambda: importlib.util.find_spec("horovod"), "Horovod is not installed (make horovod)"),
    "real_data": (lambda: os.environ.get("DCA_REAL_DATA"), "DCA_REAL_DATA names no folder of datasets"),
    "openmpi": (lambda: shutil.which("mpirun"), "Open MPI is not installed"),
    "mpi": (has_mpi, "Horovod is not built with MPI (make horovod MPI=1)"),
    "slurm": (
        lambda: os.getuid() == 0 and all(map(shutil.which, SLURM)),
        "Slurm's daemons are not installed, or this is not root, who may start them",
    ),
    "gpu": (lambda: shutil.which("nvidia-smi"), "there is no GPU"),
}
# The same, but a machine may be such that there is nothing to install: what needs these is then left out.
MAKE_NAMESPACES = "unshare --net --mount ip link"
RIGHTS = {
    "namespaces": lambda: not subprocess.run(MAKE_NAMESPACES, shell=True, capture_output=True).returncode
}
SLOW = ("workflow", "browser", "horovod", "real_data", "slurm")  # start after the quick ones
BESIDE = "slurm"  # this group waits more than it computes: it begins first, and quick ones run beside it
LONGEST = ("study", "processes")  # groups; the first of the slow ones, or the end would be waiting for them


def pytest_configure() -> None:
    """Let SIGINT do what it does: a shell that starts tests in the background has all below it ignore it."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the fastest tests first; skip, with the reason, what the machine cannot run."""
    for marker, allowed in RIGHTS.items():
        concerned = [item for item in items if item.get_closest_marker(marker)]
        if concerned and not allowed():
            items[:] = [item for item in items if item not in concerned]
            config.hook.pytest_deselected(items=concerned)
    items.sort(key=_turn)
    for marker, (present, reason) in NEEDS.items():
        if not present():
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=reason))


def _turn(item: pytest.Item) -> tuple[int, int]:
    """When a test's turn is: what waits, quick ones, groups that take long, then the other slow ones."""
    slow = sum(item.get_closest_marker(name) is not None for name in SLOW)
    mark = item.get_closest_marker("xdist_group")
    group = mark.args[0] if mark else None
    if group in LONGEST:
        return 2, LONGEST.index(group)
    return (0, 0) if group == BESIDE else (3 if slow else 1, slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> pytest.TestReport:
    """Where nothing may be skipped, a skip is a failure."""
    report = yield
    if report.skipped and os.environ.get("DCA_NOTHING_SKIPPED"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


def load_module(path: Path) -> ModuleType:
    """A file as a module: pytest's import mode gives tests no way to import one."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_helper(name: str) -> ModuleType:
    """A module of this folder."""
    return load_module(Path(__file__).with_name(f"{name}.py"))


@pytest.fixture(scope="session")
def load_benchmark() -> Callable[[str], ModuleType]:
    """A script of benchmarks/ by its name."""
    return lambda name: load_module(Path(__file__).parents[1] / "benchmarks" / f"{name}.py")


@pytest.fixture(scope="module")
def load_benchmark_module() -> Iterator[Callable[[str], ModuleType]]:
    """A module of a package of benchmarks/ by its name, as in ``scale.run``."""
    folder = str(Path(__file__).parents[1] / "benchmarks")
    sys.path.insert(0, folder)
    yield importlib.import_module
    sys.path.remove(folder)


@pytest.fixture
def make_hcp(tmp_path: Path) -> Callable[..., Path]:
    """Write a tree of HCP's layout, by tests/hcp.py."""
    return functools.partial(load_helper("hcp").write_hcp, tmp_path / "HCP")


@pytest.fixture(scope="module")
def s3() -> Iterator[ModuleType]:
    """A server that speaks S3, as `server` of tests/s3.py."""
    module = load_helper("s3")
    with module.serve() as module.server:
        yield module


@pytest.fixture(scope="session")
def browsing() -> ModuleType:
    """How reports are looked at: tests/browsing.py."""
    return load_helper("browsing")


@pytest.fixture(scope="module")
def browser(browsing: ModuleType) -> Iterator:
    """Chromium, started."""
    with browsing.chromium() as chromium:
        yield chromium


@pytest.fixture
def visit(browsing: ModuleType, browser) -> Iterator:
    """Open a file with the network off; at the end, fail on what the console or the network saw."""
    visitor = browsing.Visitor(browser)
    yield visitor
    visitor.leave()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real datasets, where DCA_REAL_DATA names one."""
    return Path(os.environ["DCA_REAL_DATA"]).resolve()


@pytest.fixture(scope="session")
def fsl_standins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like FSL's, with the programs of tests/standins and a coarse template."""
    import nibabel as nib
    import numpy as np
    from nilearn import datasets, image

    folder = tmp_path_factory.mktemp("standins")
    sources = Path(__file__).parent / "standins"
    for name in ("bin", "etc", "data/standard"):
        (folder / name).mkdir(parents=True)
    for source in sources.glob("*.py"):
        if source.stem != "common":
            name = source.name if source.stem == "gradient_unwarp" else source.stem
            program = folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{source}" "$@"\n')
            program.chmod(0o755)
    (folder / "etc" / "fslversion").write_text("0.0-standin\n")
    template = datasets.load_mni152_template(resolution=2)
    coarse = nib.affines.from_matvec(np.diag([-8, 8, 8]), [90, -126, -72])  # left-handed, as FSL's own
    coarse_template = image.resample_img(template, coarse, (24, 28, 24), force_resample=True)
    for suffix in ("", "_brain"):
        path = folder / "data" / "standard" / f"MNI152_T1_2mm{suffix}.nii.gz"
        nib.save(coarse_template, path)
        path.chmod(0o444)  # root may write all the same: the fixture standin_fsl compares
    return folder
