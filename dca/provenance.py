"""Where results come from: versions, revision of the code, settings and seeds."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from dca import __version__
from dca.config import config_hash
from dca.errors import InputError
from dca.files import read_json, write_json

# Distribution names, as installed; the first one that is there counts.
PACKAGES = {
    "snakemake": ("snakemake",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "horovod": ("horovod",),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "pandas": ("pandas",),
    "nibabel": ("nibabel",),
    "nilearn": ("nilearn",),
    "h5py": ("h5py",),
    "spams": ("spams-bin", "spams"),
    "niimath": ("niimath",),
    "simpleitk": ("simpleitk", "SimpleITK"),
    "pybids": ("pybids",),
    "matplotlib": ("matplotlib",),
    "jinja2": ("Jinja2",),
}
GIT_TIMEOUT_S = 10
LOGIN = re.compile(r"//[^/@\s]+@")  # user and password in an address
COMMANDS = "logs/commands.json"  # below the results
MOST_COMMANDS = 100
SECRET = (
    "secret",
    "password",
    "token",
    "access-key",
    "credential",
)  # in an option's name: its value is not kept


def collect(config: Mapping[str, Any]) -> dict[str, Any]:
    """Gather what is needed to repeat a result.

    There is no time stamp in it: the same code, machine and settings give the same record.

    Parameters
    ----------
    config : mapping
        The complete settings (`dca.config.load`).

    Returns
    -------
    dict
        JSON-able: ``dca``, ``revision`` (None outside a git tree), ``python``, ``platform``,
        ``packages`` (name to version, None where absent), ``config_sha256`` and ``seeds``.
    """
    return {
        "dca": __version__,
        "revision": revision(Path(__file__).resolve().parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "config_sha256": config_hash(config),
        "seeds": {"master": config.get("seed")},
    }


def revision(folder: str | Path) -> str | None:
    """Git revision of the checkout that holds `folder`, with ``-dirty`` if tracked files have changed.

    Returns None where there is no git or no checkout, as in an installed package.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    # A checkout that merely surrounds an installed package (a virtual environment in it) is not ours.
    if _git(folder, "ls-files", "--error-unmatch", ".") is None:
        return None
    return commit + ("-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: str | Path, *arguments: str) -> str | None:
    # No lock: jobs of one workflow may ask at the same moment.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def package_version(name: str) -> str | None:
    """Installed version of a package of `PACKAGES`; None where it is absent."""
    for distribution in PACKAGES[name]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def record_command(results: str | Path, arguments: Sequence[str]) -> None:
    """Add the command that this workflow was started with to those of the study.

    No rule knows the file: another command, or another time, is no reason to run anything again.

    Parameters
    ----------
    results : path
        The results folder.
    arguments : sequence of str
        Program and arguments. Values of options that look like secrets are left out.
    """
    path = Path(results) / COMMANDS
    try:
        known = read_json(path)["commands"]
    except (InputError, KeyError, TypeError):  # none yet, or damaged
        known = []
    entry = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "folder": str(Path.cwd()),
        "snakemake": package_version("snakemake"),
        "revision": revision(Path(__file__).resolve().parent),
        "command": shlex.join([Path(arguments[0]).name, *_without_secrets(arguments[1:])]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"commands": [*known, entry][-MOST_COMMANDS:]})


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    """Leave out all values of options that look like secrets, and users and passwords in addresses."""
    shown, hide = [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if argument.startswith("-"):
            hide = name.startswith("--") and any(word in name.lower() for word in SECRET)
            shown.append(f"{name}=***" if hide and equals else argument)
        else:
            shown.append("***" if hide else argument)
    return [LOGIN.sub("//***@", argument) for argument in shown]
