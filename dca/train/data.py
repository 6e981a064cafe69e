"""Batches for one worker: its rows of every shard, each once per epoch, many shards per batch."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dca.errors import ShardError
from dca.train.agenda import Agenda, Spans, count, cut, union
from dca.train.ahead import read_ahead
from dca.train.pairs import Pairs, Rows

INTERLEAVE = 8  # shards that a batch draws from at least, where there are that many
READ_BYTES = 2**20  # of one read; with at most 15 shards open, buffers stay under 16 MB (32 with targets)


class RowRange(NamedTuple):
    """Rows `start` up to `stop` of one shard, and the shard of their targets, if they have any."""

    path: Path
    start: int
    stop: int
    target: Path | None = None


class _Piece(NamedTuple):
    """`rows` rows of the source numbered `source`, from the `position`-th in this epoch's order."""

    source: int
    position: int
    rows: int


class _Source(NamedTuple):
    """The rows of one shard that come in this epoch, from the `offset`-th around to it again."""

    path: Path
    target: Path | None
    spans: Spans
    offset: int

    @property
    def size(self) -> int:
        return count(self.spans)

    def runs(self, position: int, rows: int) -> Iterator[tuple[int, int]]:
        """Ranges of the shard that hold rows of this order, from the `position`-th on."""
        first, last = self.offset + position, self.offset + position + rows
        # Unrolled once, the circle is a line from 0 to twice its length.
        for turn in (0, self.size):
            yield from cut(self.spans, first - turn, last - turn)


class RowStream:
    """Batches of one worker, in a seeded order.

    Every row on the worker's agenda comes exactly once per epoch. Shards are read side by side in
    groups of 8 to 15 (all of them, if fewer), each in proportion to its size, so that the shards
    of a group end together. Within a shard rows come in file order, which is random by the
    shard's making, from a seeded starting point around to it again: reads stay sequential while
    rows meet different companions in each epoch. An epoch's batches are of equal size, give or
    take one row, so that there is no tiny last batch with a noisy gradient.

    Parameters
    ----------
    paths : sequence of path
        All shards.
    agenda : Agenda
        Rows of this worker.
    batch_size : int
        Rows of a batch at most.
    epochs : int
        Epochs in all.
    seed : sequence of int
        The order depends on it and the epoch.
    length : int
        T, which every shard must have.
    start : int
        Batches to skip, counted from the beginning of the agenda. Nothing is read for them.
    part, parts : int
        Of every batch only one of so many equal parts is read and given, neighbouring rows of it.
    targets : sequence of path, optional
        Of every shard, the shard of its targets.

    Attributes
    ----------
    steps_per_epoch : int
        Batches in an epoch that was begun anew; 0 if the worker owns no rows.
    steps : int
        Batches in all epochs on the agenda, those skipped included.

    Yields
    ------
    (int, float32 array (B, T), or (B, 2T) with targets behind the series)
        Epoch, from 0, and batch, or the part of it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        agenda: Agenda,
        batch_size: int,
        epochs: int,
        seed: Sequence[int],
        length: int,
        start: int = 0,
        part: int = 0,
        parts: int = 1,
        targets: Sequence[Path | None] = (),
    ) -> None:
        self._paths, self._agenda, self._batch_size = paths, agenda, batch_size
        self._targets = targets or [None] * len(paths)
        self._width = length if self._targets[0] is None else 2 * length
        self._seed, self._start, self._part, self._parts = seed, start, part, parts
        self.epochs, self.length = epochs, length
        self.steps_per_epoch = self._steps(agenda.whole)
        self._ends = np.cumsum([self._steps(agenda.of(epoch)) for epoch in range(epochs)])
        self.steps = int(self._ends[-1])

    def epochs_done(self, batches: int) -> int:
        """Count the epochs that are complete after so many batches."""
        return int(np.searchsorted(self._ends, batches, side="right"))

    def left(self) -> Agenda:
        """Tell what is left after the batches skipped."""
        epoch = self.epochs_done(self._start)
        begun = [self._agenda.of(e) for e in range(epoch, self._agenda.first + len(self._agenda.begun))]
        if skip := self._skipped(epoch):
            sources = self._sources(epoch)
            done = dict.fromkeys(sources, 0)
            for pieces in islice(self._plan(epoch, sources), skip):
                for piece in pieces:
                    done[piece.source] += piece.rows
            shards = list(self._agenda.of(epoch))
            for i, source in sources.items():
                shards[i] = union(tuple(source.runs(done[i], source.size - done[i])))
            begun[:1] = [tuple(shards)]
        return Agenda(self._agenda.whole, epoch, tuple(begun))

    def __iter__(self) -> Iterator[tuple[int, Rows]]:
        return read_ahead(self._batches())

    def _batches(self) -> Generator[tuple[int, Rows], None, None]:
        first = self.epochs_done(self._start)
        for epoch in range(first, self.epochs):
            sources = self._sources(epoch)
            with ExitStack() as stack:
                cursors: dict[int, _Cursor] = {}
                skip = self._skipped(epoch) if epoch == first else 0
                for pieces in islice(self._plan(epoch, sources), skip, None):
                    rows = [np.empty((0, self._width), np.float32)]
                    for piece in self._own(pieces):
                        if piece.source not in cursors:
                            cursor = _Cursor(sources[piece.source], self.length)
                            cursors[piece.source] = stack.enter_context(closing(cursor))
                        rows += cursors[piece.source].read(piece.position, piece.rows)
                    yield epoch, np.concatenate(rows)
                    for piece in pieces:
                        if piece.position + piece.rows == sources[piece.source].size:
                            finished = cursors.pop(piece.source, None)
                            if finished is not None:
                                finished.close()

    def _steps(self, shards: tuple[Spans, ...]) -> int:
        return -(-sum(count(spans) for spans in shards) // self._batch_size)

    def _skipped(self, epoch: int) -> int:
        """Batches of this epoch, the first with any left, that are skipped."""
        return self._start - (int(self._ends[epoch - 1]) if epoch else 0)

    def _sources(self, epoch: int) -> dict[int, _Source]:
        """Shards with rows in this epoch, with a starting point each; by number of the shard."""
        random = np.random.default_rng([*self._seed, epoch])
        shards = {i: spans for i, spans in enumerate(self._agenda.of(epoch)) if spans}
        order = random.permutation(list(shards))
        offsets = random.integers([count(shards[i]) for i in order])
        return {
            int(i): _Source(self._paths[i], self._targets[i], shards[i], int(offset))
            for i, offset in zip(order, offsets, strict=True)
        }

    def _plan(self, epoch: int, sources: dict[int, _Source]) -> Iterator[list[_Piece]]:
        """Pieces of each batch of an epoch; groups are made in the order of the sources."""
        steps = self._steps(self._agenda.of(epoch))
        numbers = np.array(list(sources))
        sizes = np.array([source.size for source in sources.values()], np.int64)
        rows, step, pieces = int(sizes.sum()), 1, []
        room = rows // steps
        for group in np.array_split(np.arange(len(sizes)), max(1, len(sizes) // INTERLEAVE)):
            left = sizes[group]
            while left.any():
                counts = _apportion(left, min(room, int(left.sum())))
                gives = zip(numbers[group], sizes[group] - left, counts, strict=True)
                pieces += [_Piece(int(i), int(done), int(n)) for i, done, n in gives if n]
                left = left - counts
                room -= int(counts.sum())
                if room == 0:
                    yield pieces
                    pieces, step = [], step + 1
                    room = rows * step // steps - rows * (step - 1) // steps

    def _own(self, pieces: list[_Piece]) -> Iterator[_Piece]:
        """Pieces, or what is of them, in this part of a batch."""
        rows = sum(piece.rows for piece in pieces)
        first, last, at = rows * self._part // self._parts, rows * (self._part + 1) // self._parts, 0
        for source, position, n in pieces:
            begin, end = max(first, at), min(last, at + n)
            if begin < end:
                yield _Piece(source, position + begin - at, end - begin)
            at += n


class _Cursor:
    """Reads one source in its order, a block at a time."""

    def __init__(self, source: _Source, length: int) -> None:
        self._source = source
        self._pairs = Pairs(source.path, source.target)
        if self._pairs.length != length:
            problem = f"has {self._pairs.length} time points, the training {length}"
            raise ShardError(source.path, problem, "use runs of one length or `signals.length: crop`")
        self._block_rows = max(1, READ_BYTES // (4 * length))
        self._block, self._block_start = np.empty((0, self._pairs.width), np.float32), 0

    def read(self, position: int, rows: int) -> list[Rows]:
        parts = []
        for start, stop in self._source.runs(position, rows):
            while start < stop:
                part = self._from_block(start, stop)
                parts.append(part)
                start += len(part)
        return parts

    def _from_block(self, start: int, stop: int) -> Rows:
        """Rows from `start` on, up to `stop` or the end of the block at hand or the next one."""
        inside = start - self._block_start
        if not 0 <= inside < len(self._block):
            # Blocks end at multiples of their size, so that each reads whole chunks of the file.
            end = min((start // self._block_rows + 1) * self._block_rows, self._end(start))
            self._block, self._block_start, inside = self._pairs.read(start, end), start, 0
        return self._block[inside : inside + stop - start]

    def _end(self, row: int) -> int:
        """Where the range ends that a row is in: what follows is not this source's."""
        return next(stop for start, stop in self._source.spans if start <= row < stop)

    def close(self) -> None:
        self._pairs.close()


def _apportion(left: NDArray[np.int64], take: int) -> NDArray[np.int64]:
    """Split `take` over the ranges in proportion to the rows they have left, largest remainder first."""
    counts, remainder = np.divmod(left * take, left.sum())
    short = take - int(counts.sum())
    counts[np.argsort(-remainder, kind="stable")[:short]] += 1
    return counts
