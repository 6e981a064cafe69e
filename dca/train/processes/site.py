"""Where a training takes place: the launcher, the host of each worker, the interface to listen on."""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from dca.errors import ConfigError
from dca.train.processes import hosts, launchers, network
from dca.train.processes.network import Interface
from dca.train.settings import TrainSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """Where the workers of a training are, and how they get there. Servers and agents are on this machine.

    Attributes
    ----------
    launcher : str
    hosts : tuple of str
        Host of each worker.
    interface : Interface
        Of this machine; everything listens there and nowhere else.
    """

    launcher: str
    hosts: tuple[str, ...]
    interface: Interface

    @classmethod
    def of(cls, settings: TrainSettings) -> Site:
        """Find out what the settings mean on this machine.

        Raises
        ------
        ConfigError
            If settings contradict each other or the machine.
        DependencyError
            If the launcher is not installed.
        ToolError
            If Slurm does not say what belongs to its job.
        """
        if settings.launcher == "local":
            for name in ("hosts", "interface"):
                if getattr(settings, name) is not None:
                    raise ConfigError(
                        f"train.{name}", "is set, and train.launcher `local` uses only this machine",
                        "leave it out, or choose another launcher",
                    )  # fmt: skip
            return cls("local", ("localhost",) * settings.workers, network.of_address(network.LOOPBACK))
        launchers.require(settings.launcher)
        if "SLURM_JOB_ID" in os.environ and "SLURM_STEP_ID" not in os.environ:
            logger.warning(
                "This training is no step of its Slurm job, but part of its script: scancel, preemption and "
                "the time limit will kill it before it can write a checkpoint. Start it by `srun -n1`; in a "
                "profile of Snakemake leave out `mpi` (docs/cluster.md)."
            )
        found = hosts.find(settings.hosts)
        placed = hosts.place(settings.workers, found)
        return cls(settings.launcher, placed, network.choose(settings.interface, placed))

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Site:
        """Rebuild it from what `dataclasses.asdict` made of it, by way of JSON."""
        return cls(record["launcher"], tuple(record["hosts"]), Interface(**record["interface"]))

    def local_rank(self, worker: int) -> int:
        """Number of a worker among those of its host: which GPU it takes there."""
        return self.hosts[:worker].count(self.hosts[worker])

    @property
    def crowd(self) -> int:
        """Workers on the host that has most of them."""
        return max(Counter(self.hosts).values())
