"""Locks between processes that work on one table."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a file, which is made if it is not there, or of a folder, until the block ends.

    It ends with its process, however that ends. The file stays: were it deleted, two processes could hold
    locks of two files of one name.

    Parameters
    ----------
    path : Path
    wait : bool
        Wait until it is free.

    Yields
    ------
    bool
        Whether it is held; always where `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
