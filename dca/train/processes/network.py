"""Where the processes of a training listen: on one network interface of this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from dca.errors import ConfigError, TrainingError

LOOPBACK = "127.0.0.1"
_ANY_PORT = 9  # nothing is sent to it


@dataclass(frozen=True)
class Interface:
    """A network interface of this machine.

    Attributes
    ----------
    name : str
        As ``lo`` or ``eth0``.
    address : str
        IPv4.
    network : str
        The addresses it reaches directly, as ``10.0.0.0/24``. It may have another name on another machine,
        but not another network.
    """

    name: str
    address: str
    network: str


def choose(name: str | None, hosts: Sequence[str]) -> Interface:
    """Find the interface over which these hosts reach this machine.

    Parameters
    ----------
    name : str or None
        Setting ``train.interface``; None = loopback if all hosts are this machine, else the one on the route
        to the first that is not.
    hosts : sequence of str
        Names or addresses.

    Raises
    ------
    ConfigError
        If there is no such interface, or a host has no address.
    """
    if name is not None:
        return named(name)
    for host in hosts:
        if not is_this_machine(host):
            return of_address(_source(host, _address(host)))
    return of_address(LOOPBACK)


def is_this_machine(host: str) -> bool:
    """Whether a name or address is that of this machine; not, if it has no address here."""
    try:
        address = _address(host)
    except ConfigError:
        return False
    return ipaddress.ip_address(address).is_loopback or address in {own.address for own in _all()}


def named(name: str) -> Interface:
    """Get an interface by its name.

    Raises
    ------
    ConfigError
        If there is none of this name that has an IPv4 address.
    """
    for interface in _all():
        if interface.name == name:
            return interface
    known = ", ".join(sorted({interface.name for interface in _all()}))
    raise ConfigError("train.interface", f"is {name!r}, which has no address here", f"use one of {known}")


def of_address(address: str) -> Interface:
    """Get the interface that has an address, which is one of this machine."""
    return next(interface for interface in _all() if interface.address == address)


@contextmanager
def listening(address: str) -> Iterator[None]:
    """What begins to listen at an address of this machine, at a port that the system chooses, goes in here.

    Raises
    ------
    TrainingError
        If it cannot, as when every port is in use.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(
            address, f"cannot be listened at ({error.strerror})",
            "see which ports are in use (`ss -tan`), or name another network in train.interface",
        ) from error  # fmt: skip


def _all() -> list[Interface]:
    return [
        Interface(name, entry.address, str(ipaddress.ip_network(f"{entry.address}/{entry.netmask}", False)))
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET
    ]


def _address(host: str) -> str:
    if host in (socket.gethostname(), "localhost"):  # even where the name resolves to something else
        return LOOPBACK
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise ConfigError(
            "train.hosts", f"has {host!r}, which has no address ({error})",
            "mend the name, or say in train.interface which network interface to use",
        ) from error  # fmt: skip


def _source(host: str, address: str) -> str:
    """Address from which this machine would send to another."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, _ANY_PORT))
        except OSError as error:
            raise ConfigError(
                "train.hosts", f"has {host!r}, which cannot be reached ({error.strerror})",
                "mend the name, or say in train.interface which network interface to use",
            ) from error  # fmt: skip
        return probe.getsockname()[0]
