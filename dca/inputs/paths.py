"""Paths as users give them."""

import os
from pathlib import Path

from dca.inputs import remote


def absolute(given: str | Path, base: str | Path) -> Path:
    """Absolute path of what may be relative to `base`, start with ``~`` or lie on S3.

    Links are kept: those of git-annex lead to files whose names say nothing.

    Raises
    ------
    InputError
        If an address on S3 would be another one as a path.
    """
    if remote.is_remote(given):
        return remote.checked(given)
    return Path(os.path.abspath(Path(base) / Path(given).expanduser()))  # noqa: PTH100
