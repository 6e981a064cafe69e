"""How far a training has come in its data, whatever its mode and however many read them."""

from __future__ import annotations

from collections.abc import Iterable
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
    aside : Agenda or None
        What was left of streams that were stopped for what is in their rows: it is dealt to nobody.
    """

    batch_size: int
    batches: tuple[int, ...]
    agenda: Agenda | None = None
    idle: tuple[int, ...] = ()
    aside: Agenda | None = None

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

    def left(self, workload: Workload, streams: Iterable[int] | None = None) -> Agenda | None:
        """Tell what is left of the rows of some streams, or of all; None if the workload cannot tell."""
        numbers = range(len(self.batches)) if streams is None else streams
        parts = [workload.stream(self, i).left() for i in numbers]
        known = [part for part in parts if part is not None]
        return Agenda.union(known) if known and len(known) == len(parts) else None

    def rows_left(self, workload: Workload, epochs: int) -> int | None:
        """Count the rows not visited when so many epochs are complete; None if nobody can tell."""
        left = self.left(workload)
        return None if left is None else left.rows(epochs) + (self.aside.rows(epochs) if self.aside else 0)

    def dealt(
        self,
        streams: int,
        batch_size: int,
        workload: Workload,
        idle: tuple[int, ...] = (),
        stopped: tuple[int, ...] = (),
    ) -> Position:
        """Deal what is left to so many streams but the idle ones; where nothing changes, all stays.

        What is left of streams that were `stopped` is put aside, for good.
        """
        if (streams, batch_size, idle) == (len(self.batches), self.batch_size, self.idle):
            return self
        going = [i for i in range(len(self.batches)) if i not in stopped]
        aside = [part for part in (self.aside, self.left(workload, stopped)) if part is not None]
        return Position(
            batch_size, (0,) * streams, self.left(workload, going), idle,
            Agenda.union(aside) if aside else None,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        agenda, aside = (part and part.to_json() for part in (self.agenda, self.aside))
        return {
            "batch_size": self.batch_size, "batches": self.batches, "agenda": agenda, "idle": self.idle,
            "aside": aside,
        }  # fmt: skip

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Position:
        """Invert `to_json`, also after a trip through JSON."""
        # Older checkpoints have nothing aside.
        parts = (record["agenda"], record.get("aside"))
        agenda, aside = (part and Agenda.from_json(part) for part in parts)
        return cls(record["batch_size"], tuple(record["batches"]), agenda, tuple(record["idle"]), aside)
