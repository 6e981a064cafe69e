"""Reading in advance, while others compute."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

Item = TypeVar("Item")

AHEAD = 2  # items


def read_ahead(items: Generator[Item, None, None]) -> Iterator[Item]:
    """Give the items of a generator, which runs two of them ahead in a thread of its own.

    Closing this one stops the thread after the item under way, and closes the other. What the other
    raises is raised here. No item may be None.
    """
    with closing(items), ThreadPoolExecutor(1, "read-ahead") as reader:
        pending = deque(reader.submit(next, items, None) for _ in range(AHEAD))
        try:
            while (item := pending.popleft().result()) is not None:
                pending.append(reader.submit(next, items, None))
                yield item
        finally:
            reader.shutdown(cancel_futures=True)
