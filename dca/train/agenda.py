"""What is still to be visited of the rows of all shards, epoch by epoch, as few ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Spans = tuple[tuple[int, int], ...]
"""Rows of one shard: sorted, disjoint ranges (start, stop), none empty."""


def count(spans: Spans) -> int:
    """Count the rows."""
    return sum(stop - start for start, stop in spans)


def cut(spans: Spans, first: int, last: int) -> Spans:
    """Take the rows numbered `first` up to `last`, counted from 0 through the ranges."""
    taken, at = [], 0
    for start, stop in spans:
        begin, end = max(start, start + first - at), min(stop, start + last - at)
        if begin < end:
            taken.append((begin, end))
        at += stop - start
    return tuple(taken)


def union(*parts: Spans) -> Spans:
    """Put disjoint sets of rows together; ranges that touch become one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(span for spans in parts for span in spans):
        if start == stop:
            continue
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return tuple(joined)


@dataclass(frozen=True)
class Agenda:
    """Rows that a training, or one of its workers, has still to visit.

    Workers that wait for nobody are in different epochs at the same time. So there is a list of rows
    for each epoch that somebody has begun and not everybody has ended.

    Attributes
    ----------
    whole : tuple of Spans
        Rows of every shard in an epoch that nobody has begun.
    first : int
        The first epoch of which rows are left.
    begun : tuple of tuple of Spans
        Rows that are left of every shard in the epochs from `first` on, as far as somebody has begun
        them.
    """

    whole: tuple[Spans, ...]
    first: int = 0
    begun: tuple[tuple[Spans, ...], ...] = ()

    def of(self, epoch: int) -> tuple[Spans, ...]:
        """Rows of every shard to visit in an epoch."""
        if epoch < self.first:
            return tuple(() for _ in self.whole)
        begun = epoch - self.first < len(self.begun)
        return self.begun[epoch - self.first] if begun else self.whole

    def rows(self, epochs: int) -> int:
        """Count the rows to visit until so many epochs are complete."""
        return sum(count(spans) for epoch in range(self.first, epochs) for spans in self.of(epoch))

    def share(self, part: int, parts: int) -> Agenda:
        """Take one of so many equal parts: of every shard, in every epoch, neighbouring rows."""

        def own(shards: tuple[Spans, ...]) -> tuple[Spans, ...]:
            sizes = [count(spans) for spans in shards]
            return tuple(
                cut(spans, n * part // parts, n * (part + 1) // parts)
                for spans, n in zip(shards, sizes, strict=True)
            )

        return Agenda(own(self.whole), self.first, tuple(own(shards) for shards in self.begun))

    def nothing(self) -> Agenda:
        """Give an agenda for the same shards without a row."""
        return Agenda(tuple(() for _ in self.whole))

    @classmethod
    def union(cls, parts: Sequence[Agenda]) -> Agenda:
        """Put disjoint parts together, each as far as it has come."""

        def joined(shares: Iterable[tuple[Spans, ...]]) -> tuple[Spans, ...]:
            return tuple(union(*spans) for spans in zip(*shares, strict=True))

        first = min(part.first for part in parts)
        end = max(part.first + len(part.begun) for part in parts)
        begun = [joined(part.of(epoch) for part in parts) for epoch in range(first, end)]
        return cls(joined(part.whole for part in parts), first, tuple(begun))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {"whole": self.whole, "first": self.first, "begun": self.begun}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Agenda:
        """Invert `to_json`, also after a trip through JSON."""

        def shards(content: list[list[list[int]]]) -> tuple[Spans, ...]:
            return tuple(tuple((start, stop) for start, stop in spans) for spans in content)

        begun = tuple(shards(content) for content in record["begun"])
        return cls(shards(record["whole"]), record["first"], begun)
