"""Paths as users give them."""

import os
from pathlib import Path

from dca.inputs.remote import is_remote


def absolute(given: str | Path, base: str | Path) -> Path:
    """Absolute path of what may be relative to `base`, start with ``~`` or lie on S3.

    Links are kept: those of git-annex lead to files whose names say nothing.
    """
    if is_remote(given):
        return Path(given)
    return Path(os.path.abspath(Path(base) / Path(given).expanduser()))  # noqa: PTH100
