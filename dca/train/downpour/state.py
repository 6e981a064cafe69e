"""Counters of a parameter server: with the vectors, a complete state to go on from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class WorkerState:
    """What the server knows of a worker; part of every checkpoint.

    Attributes
    ----------
    position : int
        Batches of its stream that the weights contain, or whose gradient was refused.
    rows, updates : int
        Rows of the gradients applied, and how many these are.
    rejected, dropped : int
        Gradients refused because they were not finite, or too old.
    done : bool
        It has pushed its last batch, or was told to stop.
    """

    position: int = 0
    rows: int = 0
    updates: int = 0
    rejected: int = 0
    dropped: int = 0
    done: bool = False


@dataclass
class ServerState:
    """All counters of a server."""

    updates: int = 0
    staleness: dict[int, int] = field(default_factory=dict)
    """Updates by the number of other updates between the fetch of their weights and themselves."""
    workers: list[WorkerState] = field(default_factory=list)
    earlier_rows: int = 0
    """Rows used before the rows were dealt out to these workers."""
    earlier_rejected: int = 0
    deals: int = 0
    """How often the rows were dealt out anew since, and so what the positions of workers refer to."""

    @property
    def rows(self) -> int:
        """Rows in the weights, all workers together."""
        return self.earlier_rows + sum(own.rows for own in self.workers)

    @property
    def rejected(self) -> int:
        """Gradients refused as not finite, of all workers together."""
        return self.earlier_rejected + sum(own.rejected for own in self.workers)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the keys of `staleness` become texts."""
        return asdict(self)

    def deal(self) -> None:
        """Note that the rows that are left were dealt out anew."""
        self.deals += 1
        for own in self.workers:
            own.position, own.done = 0, False

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> ServerState:
        """Invert `to_json`, also after a trip through JSON."""
        return cls(
            record["updates"],
            {int(staleness): count for staleness, count in record["staleness"].items()},
            [WorkerState(**worker) for worker in record["workers"]],
            record["earlier_rows"],
            record["earlier_rejected"],
            record["deals"],
        )
