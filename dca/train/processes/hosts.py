"""Which machines a training may use, and which worker goes where."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dca.errors import ConfigError, ToolError

_LINE = re.compile(r"(?P<name>[\w.-]+)(?::(?P<colon>\d+)|\s+slots\s*=\s*(?P<slots>\d+))?")
_FORMS = "write `name`, `name:4` or `name slots=4`"
SLURM_S = 60  # for an answer of Slurm


@dataclass(frozen=True)
class Host:
    """A machine.

    Attributes
    ----------
    name : str
    slots : int or None
        Workers that it takes; None = any number.
    """

    name: str
    slots: int | None = None


def find(setting: str | Sequence[str] | None) -> list[Host]:
    """Find the machines of this training.

    Parameters
    ----------
    setting : str, sequence of str or None
        ``train.hosts``: path of a host file, or hosts; None = those of the Slurm job, and outside of one
        this machine.

    Raises
    ------
    ConfigError
        If the host file is missing, or an entry cannot be read.
    ToolError
        If Slurm does not say what belongs to its job.
    """
    if setting is None:
        return [Host(name) for name in _of_slurm() or ["localhost"]]
    if not isinstance(setting, str):
        return _parse("train.hosts", setting)
    try:
        text = Path(setting).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(
            "train.hosts", f"{setting} cannot be read ({reason})", "name a host file, or list the hosts"
        ) from error
    return _parse(setting, text.splitlines())


def _parse(source: str, lines: Sequence[str]) -> list[Host]:
    hosts: dict[str, Host] = {}
    for line in lines:
        entry = str(line).partition("#")[0].strip()
        if not entry:
            continue
        match = _LINE.fullmatch(entry)
        slots = match and (match["colon"] or match["slots"])
        if match is None or slots == "0":
            raise ConfigError(source, f"has {entry!r}, which is not a host", _FORMS)
        if match["name"] in hosts:
            raise ConfigError(source, f"names {match['name']} twice", "name each host once, with its slots")
        hosts[match["name"]] = Host(match["name"], int(slots) if slots else None)
    if not hosts:
        raise ConfigError(source, "names no host", _FORMS)
    return list(hosts.values())


def _of_slurm() -> list[str]:
    """Nodes of the Slurm job that this process belongs to, in Slurm's order; none outside of one."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return []
    # Snakemake's executor takes most of Slurm's variables from the environment, but not the job's number.
    # And in a step, as which it starts a rule, this one names the step's nodes.
    nodes = os.environ.get("SLURM_JOB_NODELIST")
    if nodes is None or "SLURM_STEP_ID" in os.environ:
        nodes = _ask("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    return _ask("scontrol", "show", "hostnames", nodes).split()


def _ask(*command: str) -> str:
    try:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=SLURM_S, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise ToolError(
            command[0], f"does not tell the nodes of this Slurm job ({lines[-1] if lines else 'no reason'})",
            "name the hosts in train.hosts",
        ) from error  # fmt: skip


def place(workers: int, hosts: Sequence[Host]) -> tuple[str, ...]:
    """Deal workers to hosts, one to each in turn as long as it has slots.

    Returns
    -------
    tuple of str
        The host of each worker.

    Raises
    ------
    ConfigError
        If there are more workers than slots.
    """
    free = {host.name: workers if host.slots is None else host.slots for host in hosts}
    if workers > sum(free.values()):
        raise ConfigError(
            "train.workers", f"is {workers}, and the hosts have {sum(free.values())} slots",
            "ask for fewer workers, or give the hosts more slots",
        )  # fmt: skip
    places: list[str] = []
    while True:
        for name in free:
            if len(places) == workers:
                return tuple(places)
            if free[name]:
                free[name] -= 1
                places.append(name)
