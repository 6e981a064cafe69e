"""A training that a launcher started several times over, where once is meant."""

from __future__ import annotations

import os
from pathlib import Path

from dca.errors import TrainingError

# How many processes there are of one call, and who says so; in a job of one process it is 1.
_TOLD_BY = {
    "SLURM_STEP_NUM_TASKS": "srun",
    "OMPI_COMM_WORLD_SIZE": "mpirun",
    "PMI_SIZE": "a launcher of MPI",
}


def refuse_copies(folder: str | Path) -> None:
    """See to it that this process is the only one of its call.

    Copies would train the same model into one folder: each would have the one before it stop.

    Raises
    ------
    TrainingError
        If there are more.
    """
    for name, launcher in _TOLD_BY.items():
        copies = os.environ.get(name, "")
        if copies.isdecimal() and int(copies) > 1:
            raise TrainingError(
                folder, f"was started {copies} times at once by {launcher} ({name})",
                "start it once: a training starts its workers by itself (train.workers, train.launcher)",
            )  # fmt: skip
