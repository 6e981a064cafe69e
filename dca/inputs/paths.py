"""Paths as users give them."""

import os
from pathlib import Path


def absolute(given: str | Path, base: str | Path) -> Path:
    """Absolute path of what may be relative to `base` or start with ``~``.

    Links are kept: those of git-annex lead to files whose names say nothing.
    """
    return Path(os.path.abspath(Path(base) / Path(given).expanduser()))  # noqa: PTH100
