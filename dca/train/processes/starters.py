"""How workers come to be: forked here by the nursery, or started by a launcher, here or elsewhere."""

from __future__ import annotations

import json
import logging
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from dca.errors import DCAError, TrainingError
from dca.train.processes import launchers
from dca.train.processes.desk import Desk, Seat
from dca.train.processes.nursery import Child, Nursery
from dca.train.processes.process import FAILED
from dca.train.processes.site import Site


class Process(Protocol):
    """A process as its pair sees it; see `Child`."""

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""

    @property
    def error(self) -> DCAError | None:
        """The error for the user that it ended with."""

    @property
    def reason(self) -> str:
        """How it ended, in words."""


class Starter(Protocol):
    """Starts workers and ends them.

    Attributes
    ----------
    site : Site
    seal : str
        Made anew for each job: by it the members of a world know that they belong together.
    """

    site: Site
    seal: str

    def start(
        self, worker: int, module: str, fds: Mapping[str, int], task: Mapping[str, Any],
        environment: Mapping[str, str],
    ) -> Process:  # fmt: skip
        """Start a worker; but for its number, the arguments are those of `Nursery.start`."""

    def end(self, process: Any) -> None:
        """End what is left of a worker."""

    def close(self) -> None:
        """Have all workers end."""


def starter(site: Site, nursery: Nursery, folder: Path) -> Starter:
    """Get what starts the workers of a site."""
    return Forking(site, nursery) if site.launcher == "local" else Launching(site, nursery, folder)


class Forking:
    """Starts workers on this machine, as forks of the nursery."""

    def __init__(self, site: Site, nursery: Nursery) -> None:
        self.site, self._nursery, self.seal = site, nursery, secrets.token_hex(32)

    def start(
        self, worker: int, module: str, fds: Mapping[str, int], task: Mapping[str, Any],
        environment: Mapping[str, str],
    ) -> Process:  # fmt: skip
        """Fork."""
        return self._nursery.start(f"worker {worker}", module, fds, task, environment)

    def end(self, process: Child) -> None:
        """Kill it."""
        self._nursery.end([process])

    def close(self) -> None:
        """Leave them to the nursery."""


class Launched:
    """A worker that a launcher has started, or is about to.

    Parameters
    ----------
    launcher : Child
        The launcher's process on this machine.
    seat : Seat
    description : str
    """

    def __init__(self, launcher: Child, seat: Seat, description: str) -> None:
        self.launcher, self.seat, self._description = launcher, seat, description

    @property
    def status(self) -> int | None:
        """What the worker reported; if none has come, what became of the launcher."""
        if self.seat.arrived or self.launcher.status is None:
            return self.seat.status
        return self.launcher.status or FAILED

    @property
    def error(self) -> DCAError | None:
        """What the worker, or the launcher, wants to be told to the user."""
        return self.seat.error or self.launcher.error

    @property
    def reason(self) -> str:
        """How it ended, in words, with the last line that came from there."""
        if not self.seat.arrived:
            what = f"did not come up (status {self.launcher.status})"
        elif self.status == FAILED:
            what = "broke off"
        else:
            what = f"ended with status {self.status}"
        return f"{self._description} {what}{self.launcher.last_words}"


class Launching:
    """Starts workers by calls of a launcher, and talks with them at a desk."""

    def __init__(self, site: Site, nursery: Nursery, folder: Path) -> None:
        self.site, self._nursery = site, nursery
        self._desk = Desk(site.interface.address, folder)
        self.seal = self._desk.seal
        self._launched: list[Launched] = []

    def start(
        self, worker: int, module: str, fds: Mapping[str, int], task: Mapping[str, Any],
        environment: Mapping[str, str],
    ) -> Process:  # fmt: skip
        """Call the launcher."""
        role, host, launcher = f"worker {worker}", self.site.hosts[worker], self.site.launcher
        told = {
            "module": module, "task": dict(task), "environment": dict(environment), "contents": list(fds),
            "log_level": logging.getLogger().getEffectiveLevel(),
        }  # fmt: skip
        contents = [Path(f"/proc/self/fd/{fd}").read_bytes() for fd in fds.values()]
        seat = self._desk.expect(role, launcher, [json.dumps(told).encode(), *contents])
        program = [
            sys.executable, "-m", "dca.train.processes", "worker", str(worker), seat.ticket,
            str(self._desk.file),
        ]  # fmt: skip
        command = launchers.command(launcher, host, self.site.interface, program)
        child = self._nursery.start(
            f"launcher {worker}", "dca.train.processes.launchers", {},
            {"launcher": launcher, "host": host, "command": command},
        )  # fmt: skip
        child.role = role  # What it writes is the worker's.
        self._launched.append(Launched(child, seat, f"{role}, started by {launcher} on {host},"))
        return self._launched[-1]

    def end(self, process: Launched) -> None:
        """Have the worker end, which hears of it at once, and then its launcher."""
        self._launched.remove(process)
        self._desk.give_up(process.seat)
        self._nursery.dismiss(process.launcher)

    def close(self) -> None:
        """Have all workers end."""
        with suppress(TrainingError):  # If the nursery is lost, so are they.
            for process in list(self._launched):
                self.end(process)
        self._desk.close()
