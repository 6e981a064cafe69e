"""Reading the bytes of an image file front to back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from isal import igzip_threaded
from nibabel.openers import Opener


@contextmanager
def unpacked(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file that may be compressed, to be read front to back.

    gzip is unpacked by ISA-L, which takes half the time of zlib, in a thread of its own.
    """
    if str(path).endswith(".gz"):
        with igzip_threaded.open(path, "rb", threads=1) as packed:
            yield packed
    else:
        with Opener(str(path), "rb") as stream:
            yield cast(BinaryIO, stream)


def fill(stream: BinaryIO, array: np.ndarray) -> None:
    """Read as many bytes as an array holds into it, in the order of its memory.

    Raises
    ------
    EOFError
        If the stream ends before.
    """
    memory = memoryview(array.reshape(-1, order="A").view(np.uint8).data)
    done = 0
    while done < len(memory):
        count = stream.readinto(memory[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError(f"it ends {len(memory) - done} bytes too early")
        done += count
