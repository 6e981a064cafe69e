"""What every mode of training is given, and what it hands back."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.train.losses import Losses
from dca.train.settings import Plan, TrainSettings
from dca.train.workload import Source

# Settings under which a training may go on that was begun under others: those that do not change what
# is learned, but by whom, and when it ends. (What `batch_size: auto` comes to is looked at instead.)
_FREE = (
    "mode", "workers", "servers", "launcher", "hosts", "interface", "n_push", "n_fetch", "overlap",
    "compression", "max_staleness", "epochs", "max_steps", "warmup_steps", "warmup_loss", "checkpoint_s",
    "batch_size", "freeze",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One training. Plain data: it can be pickled to other processes.

    Attributes
    ----------
    workload : Source
        Makes, of this job, the model with its data in each process that needs it.
    folder : Path
        Where history.tsv, timeline.tsv and checkpoints/ go.
    settings : TrainSettings
    plan : Plan
        What the `auto` settings come to.
    seed : int
    threads : int or None
        Cores for all processes together; None = as many as there are.
    """

    workload: Source
    folder: Path
    settings: TrainSettings
    plan: Plan
    seed: int
    threads: int | None = None

    @property
    def cores(self) -> int:
        """Cores for all processes together."""
        return self.threads or len(os.sched_getaffinity(0))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that makes a checkpoint of one training unfit for another."""
        settings = {k: v for k, v in asdict(self.settings).items() if k not in _FREE}
        record = [self.workload.identity, settings, self.plan.batch_size, self.seed]
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What a mode hands back; `dca.train.train` turns it into the model folder and the summary.

    Attributes
    ----------
    weights : float32 array (P,)
        In the order of `dca.train.flat.get_flat`.
    updates : int
        Updates applied, earlier sessions of a resumed training included.
    samples : int
        Rows used, likewise.
    wall_s : float
        Seconds of training, likewise; interruptions left out.
    rejected : int
        Gradients refused because they were not finite.
    training : Losses or None
        Mean of the last updates, an epoch's worth at most.
    validation : Losses or None
        After the last update; None if nothing is held out.
    rows_left : int or None
        Rows of all epochs that were not visited, as with `max_steps`; None where they are not counted.
    details : dict
        Anything else for summary.json, such as staleness; losses before training under
        ``initial_validation_loss``.
    """

    weights: NDArray[np.float32]
    updates: int
    samples: int
    wall_s: float
    rejected: int = 0
    training: Losses | None = None
    validation: Losses | None = None
    rows_left: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
