"""Launchers: programs that start a process on another machine. One call starts one worker.

So the loss of a worker ends its own call only. Whatever a launcher tells the process about ranks and
worlds does not count: the process gets its assignment from the supervisor's `Desk`.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dca.errors import ConfigError, DependencyError
from dca.train.processes.network import Interface, is_this_machine
from dca.train.processes.process import Assignment

_PACKAGES = {"horovodrun": "Horovod (make horovod)", "mpirun": "Open MPI", "srun": "Slurm"}

# What a worker may need of the environment, where a launcher does not hand on all of it by itself.
_HANDED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "SSH_AUTH_SOCK"
)  # fmt: skip
_HANDED_ON_PREFIXES = ("LC_", "PYTHON", "DCA_", "OMP_", "OPENBLAS_", "KMP_", "TF_", "XLA_", "CUDA_", "HDF5_")
_OF_THIS_MACHINE = ("CUDA_VISIBLE_DEVICES",)
_SLURM_KEPT = ("SLURM_CONF", "SLURM_JOB_ID")


def horovodrun(host: str, interface: Interface) -> list[str]:
    """Horovod's own launcher: directly on this machine, by ssh on others.

    Naming the interface spares it a search that starts a process on each host; for this machine it wants
    the loopback among those named.
    """
    interfaces = ",".join(sorted({"lo", interface.name}))
    return [
        _horovodrun(), "-np", "1", "-H", f"{host}:1", "--gloo", "--network-interfaces", interfaces,
        "--disable-cache",
    ]  # fmt: skip


def mpirun(host: str, interface: Interface) -> list[str]:
    """Open MPI's: by ssh, or by `srun` inside of a Slurm job.

    Of Slurm it is to know only the host of this worker: it takes the job's first hosts otherwise.
    """
    exported = [word for name in sorted(handed_on(host, os.environ)) for word in ("-x", name)]
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    step = ["--mca", "ras", "^slurm", "--mca", "plm_slurm_args", f"--overlap --nodes=1 --nodelist={host}"]
    return [
        "mpirun", "-np", "1", "-H", host,
        # A call knows nothing of the others: whether there is room, and which cores are free.
        "--oversubscribe", "--bind-to", "none",
        "--mca", "oob_tcp_if_include", interface.network,
        *root, *(step if "SLURM_JOB_ID" in os.environ else []), "--wdir", str(Path.cwd()), *exported,
    ]  # fmt: skip


def srun(host: str, _: Interface) -> list[str]:
    """Slurm's: a job step per worker.

    Steps share what the job has on a node (``--overlap``), as supervisor and servers are beside them: each
    worker uses the cores and the GPU that it is told. Otherwise the first step would hold all memory and
    all GPUs of its node, and the next wait for it.
    """
    return [
        "srun", f"--jobid={os.environ['SLURM_JOB_ID']}", "--overlap", "--nodes=1", "--ntasks=1",
        f"--nodelist={host}", "--cpu-bind=none", "--mpi=none", "--unbuffered", "--quiet",
    ]  # fmt: skip


LAUNCHERS: dict[str, Callable[[str, Interface], list[str]]] = {
    "horovodrun": horovodrun, "mpirun": mpirun, "srun": srun
}  # fmt: skip


def require(launcher: str) -> None:
    """Check that a launcher can be used here.

    Raises
    ------
    DependencyError
        If it is not installed.
    ConfigError
        If it is Slurm's and this is not a Slurm job.
    """
    if shutil.which(_horovodrun() if launcher == "horovodrun" else launcher) is None:
        raise DependencyError(
            f"train.launcher `{launcher}`", "is not installed",
            f"install {_PACKAGES[launcher]}, or choose another launcher",
        )  # fmt: skip
    if launcher == "srun" and "SLURM_JOB_ID" not in os.environ:
        raise ConfigError(
            "train.launcher", "is 'srun', and this is not a Slurm job (SLURM_JOB_ID is not set)",
            "run it by Slurm, or choose another launcher",
        )  # fmt: skip


def handed_on(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that a worker on a host may need."""
    return {
        k: v
        for k, v in _true_on(host, environment).items()
        if k in _HANDED_ON or k.startswith(_HANDED_ON_PREFIXES)
    }


def _true_on(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what says which GPUs of this machine to use, where a host is another one."""
    return {k: v for k, v in environment.items() if k not in _OF_THIS_MACHINE or is_this_machine(host)}


def own_environment(launcher: str, host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Environment of the launcher itself, which starts a worker on a host.

    Horovod's puts all of it on command lines, where others of the machine can read it, so it gets no more
    than a worker needs. Slurm's variables say how many tasks and GPUs the job was submitted with, and
    would count as wishes for each step.
    """
    if launcher == "horovodrun":
        return handed_on(host, environment)
    own = {
        k: v for k, v in _true_on(host, environment).items() if not k.startswith("SLURM_") or k in _SLURM_KEPT
    }
    if "SLURM_JOB_ID" in own:
        own["SLURM_JOBID"] = own["SLURM_JOB_ID"]  # Open MPI's name for it.
    return own


def _horovodrun() -> str:
    """Path of the one that belongs to this Python, whether or not its environment is active."""
    return shutil.which("horovodrun", path=Path(sys.executable).parent) or "horovodrun"


def command(launcher: str, host: str, interface: Interface, program: Sequence[str]) -> list[str]:
    """Command line that starts a program once on a host."""
    return [*LAUNCHERS[launcher](host, interface), *program]


def main(assignment: Assignment) -> None:
    """Become a launcher: a fork of the nursery that turns into the command of its task.

    It leads a process group, so that it can be ended with all that it started here, and no signal of the
    terminal reaches it.
    """
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    task = assignment.task
    words = task["command"]
    os.execvpe(words[0], words, own_environment(task["launcher"], task["host"], os.environ))
