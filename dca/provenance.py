"""Where results come from: versions, revision of the code, settings and seeds."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from dca import __version__
from dca.config import config_hash

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
        "packages": {name: _first_version(names) for name, names in PACKAGES.items()},
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


def _first_version(names: tuple[str, ...]) -> str | None:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
