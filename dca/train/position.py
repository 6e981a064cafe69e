"""How far a training has come in its data, whatever its mode and however many read them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dca.train.agenda import Agenda

if TYPE_CHECKING:
    from dca.train.workload import Workload


@dataclass(frozen=True)
class Position:
    """What was left when the rows were last dealt out, and how much each stream has given since.

    As long as the number of streams stays, this says where exactly each is, so that a training goes on
    with the very batches it would have had. From it the rows that are left can be told at any time
    and dealt out anew: to another number of workers, to another mode, to those who are left.

    Attributes
    ----------
    batch_size : int
        Rows of a batch at most.
    batches : tuple of int
        Batches that each stream has behind it.
    agenda : Agenda or None
        What was left when they began; None: everything.
    idle : tuple of int
        Streams that were dealt nothing: those of lost workers.
    """

    batch_size: int
    batches: tuple[int, ...]
    agenda: Agenda | None = None
    idle: tuple[int, ...] = ()

    @classmethod
    def start(cls, streams: int, batch_size: int) -> Position:
        """Give the beginning of a training."""
        return cls(batch_size, (0,) * streams)

    def at(self, *batches: int) -> Position:
        """Give the position at which each stream has so many batches behind it."""
        return replace(self, batches=batches)

    def moved(self, stream: int, batches: int) -> Position:
        """Give the same position but for one stream, which has so many batches behind it."""
        return self.at(*self.batches[:stream], batches, *self.batches[stream + 1 :])

    def share(self, stream: int, whole: Agenda) -> Agenda:
        """Give what one stream was dealt, where `whole` is everything."""
        agenda = self.agenda or whole
        busy = [i for i in range(len(self.batches)) if i not in self.idle]
        return agenda.share(busy.index(stream), len(busy)) if stream in busy else agenda.nothing()

    def left(self, workload: Workload) -> Agenda | None:
        """Tell what is left of the rows; None if the workload cannot tell."""
        parts = [workload.stream(self, i).left() for i in range(len(self.batches))]
        known = [part for part in parts if part is not None]
        return Agenda.union(known) if len(known) == len(parts) else None

    def rows_left(self, workload: Workload, epochs: int) -> int | None:
        """Count the rows to visit until so many epochs are complete; None if nobody can tell."""
        left = self.left(workload)
        return None if left is None else left.rows(epochs)

    def dealt(
        self, streams: int, batch_size: int, workload: Workload, idle: tuple[int, ...] = ()
    ) -> Position:
        """Deal what is left to so many streams but the idle ones; where nothing changes, all stays."""
        if (streams, batch_size, idle) == (len(self.batches), self.batch_size, self.idle):
            return self
        return Position(batch_size, (0,) * streams, self.left(workload), idle)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        agenda = self.agenda and self.agenda.to_json()
        return {"batch_size": self.batch_size, "batches": self.batches, "agenda": agenda, "idle": self.idle}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Position:
        """Invert `to_json`, also after a trip through JSON."""
        agenda = record["agenda"] and Agenda.from_json(record["agenda"])
        return cls(record["batch_size"], tuple(record["batches"]), agenda, tuple(record["idle"]))
