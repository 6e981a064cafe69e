"""Rows are visited once per epoch, however often and to however many they are dealt out anew."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dca.train.agenda import Agenda, count, cut, union
from dca.train.data import RowStream
from dca.train.position import Position

LENGTH = 40
ROWS = st.sets(st.integers(0, 60))


def spans(rows):
    return union(*(((row, row + 1),) for row in rows))


def members(spans):
    return [row for start, stop in spans for row in range(start, stop)]


@given(ROWS, ROWS)
def test_spans_are_sets_of_rows(a, b):
    assert members(spans(a)) == sorted(a)
    assert count(spans(a)) == len(a)
    joined = union(spans(a), spans(b - a))
    assert members(joined) == sorted(a | b)
    assert all(left[1] < right[0] for left, right in pairwise(joined))


@given(ROWS, st.integers(-5, 70), st.integers(-5, 70))
def test_a_cut_counts_rows(rows, first, last):
    assert members(cut(spans(rows), first, last)) == sorted(rows)[max(first, 0) : max(last, 0)]


@given(st.lists(ROWS, min_size=1, max_size=4), st.lists(ROWS, max_size=2), st.integers(1, 5))
def test_the_shares_of_an_agenda_are_the_agenda(whole, left, parts):
    shards = tuple(spans(rows) for rows in whole)
    begun = tuple(tuple(spans(rows & other) for rows in whole) for other in left)
    agenda = Agenda(shards, 3, begun)
    shares = [agenda.share(i, parts) for i in range(parts)]
    assert Agenda.union(shares) == agenda
    assert sum(share.rows(6) for share in shares) == agenda.rows(6)
    assert max(s.rows(9) for s in shares) - min(s.rows(9) for s in shares) <= len(whole) * 6


class Shelf:
    """Stands for a workload with these shards; their rows carry a number each."""

    def __init__(self, make_shard, sizes, epochs, seed) -> None:
        starts = np.cumsum([0, *sizes[:-1]])
        self.paths = [
            make_shard(f"run-{i}", rows=n, numbered=int(at))
            for i, (n, at) in enumerate(zip(sizes, starts, strict=True))
        ]
        self.whole, self.epochs, self.seed = Agenda(tuple(((0, n),) for n in sizes)), epochs, seed

    def stream(self, position, worker, part=0, parts=1):
        agenda = position.share(worker, self.whole)
        return RowStream(
            self.paths, agenda, position.batch_size, self.epochs, (self.seed, worker), LENGTH,
            position.batches[worker], part, parts,
        )  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12), seed=st.integers(0, 9),
    sessions=st.lists(
        st.tuples(
            st.integers(1, 4), st.integers(1, 20), st.tuples(*[st.integers(0, 12)] * 4),
            st.sets(st.integers(1, 3)),
        ),
        max_size=4,
    ),
)  # fmt: skip
def test_every_row_comes_once_per_epoch_however_the_rows_are_dealt(make_shard, sizes, seed, sessions):
    """Sessions of other numbers of workers, of whom some are lost, and of batches; each ends anywhere."""
    shelf = Shelf(make_shard, sizes, 3, seed)
    position, seen = Position.start(1, 5), []
    for workers, batch_size, batches, lost in [*sessions, (2, 7, [10**6] * 4, ())]:
        position = position.dealt(workers, batch_size, shelf, tuple(i for i in lost if i < workers))
        reached = []
        for worker in range(workers):
            goes = list(shelf.stream(position, worker))[: batches[worker]]
            assert not (goes and worker in lost)
            assert all(0 < len(rows) <= batch_size for _, rows in goes)
            seen += [(epoch, int(row)) for epoch, rows in goes for row in rows[:, 0]]
            reached.append(position.batches[worker] + len(goes))
        position = Position.from_json(json.loads(json.dumps(position.at(*reached).to_json())))
        left = position.left(shelf)
        assert len(seen) + left.rows(3) == 3 * sum(sizes)
    assert sorted(seen) == [(epoch, row) for epoch in range(3) for row in range(sum(sizes))]
    assert left.rows(3) == 0


def test_the_ranges_stay_few(make_shard):
    shelf = Shelf(make_shard, [200] * 9, 1, 0)
    position = Position.start(4, 10)
    for workers in (3, 4, 3, 4):
        position = position.at(*(3 for _ in position.batches)).dealt(workers, 10, shelf)
    assert max(len(spans) for spans in position.agenda.begun[0]) <= 2 * (4 + 3 + 4 + 3)


def test_where_nothing_changes_a_training_goes_on_with_the_batches_it_would_have_had(make_shard):
    shelf = Shelf(make_shard, [13] * 9, 3, 1)
    position = Position.start(2, 5).at(3, 20).dealt(2, 5, shelf)
    assert (position.batches, position.agenda) == ((3, 20), None)
    dealt = position.dealt(3, 5, shelf)
    again = dealt.at(1, 2, 3).dealt(3, 5, shelf)
    for worker in range(3):
        expected = list(shelf.stream(dealt, worker))[worker + 1 :]
        found = list(shelf.stream(again, worker))
        assert [epoch for epoch, _ in found] == [epoch for epoch, _ in expected]
        np.testing.assert_array_equal([r[0] for _, r in found], [r[0] for _, r in expected])


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_the_parts_of_a_batch_are_the_batch(make_shard, parts):
    shelf = Shelf(make_shard, [13, 8, 1, 20], 2, 4)
    position = Position.start(1, 6).at(4)
    streams = [list(shelf.stream(position, 0, part, parts)) for part in range(parts)]
    for (epoch, whole), *own in zip(shelf.stream(position, 0), *streams, strict=True):
        np.testing.assert_array_equal(np.concatenate([rows for _, rows in own]), whole)
        assert {e for e, _ in own} == {epoch}
        lengths = [len(rows) for _, rows in own]
        assert max(lengths) - min(lengths) <= 1


def test_files_are_closed_when_their_rows_are_through(make_shard, monkeypatch):
    shelf = Shelf(make_shard, [8] * 32, 1, 0)
    opened = set()
    plain = RowStream._batches

    def watched(self):
        from dca.train import data

        init, close = data._Cursor.__init__, data._Cursor.close

        def note(cursor, *rest):
            init(cursor, *rest)
            opened.add(cursor)
            assert len(opened) <= 16

        monkeypatch.setattr(data._Cursor, "__init__", note)
        monkeypatch.setattr(data._Cursor, "close", lambda cursor: (opened.discard(cursor), close(cursor)))
        yield from plain(self)

    monkeypatch.setattr(RowStream, "_batches", watched)
    for part in (0, 1):
        assert len(list(shelf.stream(Position.start(1, 16), 0, part, 2))) == 16
        assert not opened
