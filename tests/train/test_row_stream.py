import threading
from itertools import islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dca.errors import ShardError
from dca.train.agenda import Agenda
from dca.train.data import INTERLEAVE, RowRange, RowStream

LENGTH = 40


@pytest.fixture
def shards(make_shard):
    """Shards of unequal size whose rows carry a number each."""

    def make(sizes):
        starts = np.cumsum([0, *sizes[:-1]])
        paths = [
            make_shard(f"run-{i}", rows=n, numbered=int(at))
            for i, (n, at) in enumerate(zip(sizes, starts, strict=True))
        ]
        return [RowRange(path, 0, n) for path, n in zip(paths, sizes, strict=True)]

    return make


def numbers(batches):
    return [(epoch, batch[:, 0].astype(int).tolist()) for epoch, batch in batches]


def whole(ranges):
    return Agenda(tuple(((own.start, own.stop),) for own in ranges))


def stream(ranges, worker=0, workers=1, batch=7, epochs=1, seed=0, start=0, agenda=None, **part):
    share = (agenda or whole(ranges)).share(worker, workers)
    paths = [own.path for own in ranges]
    return RowStream(paths, share, batch, epochs, (seed, worker), LENGTH, start, **part)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    workers=st.integers(1, 4), batch=st.integers(1, 40), seed=st.integers(0, 9),
)  # fmt: skip
def test_all_workers_together_see_every_row_once_per_epoch(shards, sizes, workers, batch, seed):
    ranges = shards(sizes)
    streams = [stream(ranges, w, workers, batch, 2, seed) for w in range(workers)]
    seen = [numbers(s) for s in streams]
    for epoch in range(2):
        rows = [n for own in seen for e, batch_rows in own if e == epoch for n in batch_rows]
        assert sorted(rows) == list(range(sum(sizes)))
    for own, s in zip(seen, streams, strict=True):
        assert len(own) == s.steps
        lengths = {len(rows) for _, rows in own}
        assert not lengths or (max(lengths) <= batch and max(lengths) - min(lengths) <= 1)


def test_a_worker_owns_an_equal_range_of_every_shard(shards):
    ranges = shards([10, 20])
    rows = {n for _, batch in numbers(stream(ranges, 1, 2, epochs=3)) for n in batch}
    assert rows == set(range(5, 10)) | set(range(20, 30))


@pytest.mark.parametrize("count", [8, 9, 23])
def test_batches_interleave_eight_shards_all_through_the_epoch(shards, count):
    sizes = [20 + 3 * i for i in range(count)]
    ends = np.cumsum(sizes)
    for _, batch in numbers(stream(shards(sizes), batch=48)):
        assert len(set(np.searchsorted(ends, batch, side="right"))) >= INTERLEAVE


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else(shards):
    ranges = shards([30] * 12)
    first, again = (numbers(stream(ranges, epochs=2)) for _ in range(2))
    assert first == again
    assert first != numbers(stream(ranges, epochs=2, seed=1))
    half = len(first) // 2
    assert [rows for _, rows in first[:half]] != [rows for _, rows in first[half:]]


@pytest.mark.parametrize("start", [0, 1, 5, 17, 18, 19, 40, 54, 60])
def test_a_stream_goes_on_where_a_checkpoint_left_it(shards, start):
    ranges = shards([13] * 9)
    whole = numbers(stream(ranges, epochs=3))
    assert numbers(stream(ranges, epochs=3, start=start)) == whole[start:]


def test_blocks_and_wrap_around_are_read_right(shards, monkeypatch):
    monkeypatch.setattr("dca.train.data.READ_BYTES", 4 * LENGTH * 4)  # blocks of four rows
    ranges = [RowRange(r.path, 3, r.stop - 2) for r in shards([25, 31])]
    rows = [n for _, batch in numbers(stream(ranges)) for n in batch]
    assert sorted(rows) == [*range(3, 23), *range(28, 54)]


def test_fewer_rows_than_a_batch_or_than_workers(shards):
    ranges = shards([2])
    assert [len(rows) for _, rows in numbers(stream(ranges, batch=1600, epochs=2))] == [2, 2]
    idle = stream(ranges, 0, 3)
    assert (idle.steps_per_epoch, idle.steps, list(idle)) == (0, 0, [])


def test_leaving_early_stops_the_reader(shards):
    before = threading.active_count()
    batches = iter(stream(shards([50] * 3), epochs=100))
    list(islice(batches, 3))
    batches.close()
    assert threading.active_count() == before


def test_errors_of_the_reader_reach_the_consumer(shards):
    ranges = shards([20, 20])
    ranges[1].path.unlink()
    with pytest.raises(ShardError, match="does not exist"):
        list(stream(ranges))


def test_a_shard_of_another_length_is_refused(make_shard):
    path = make_shard("odd", rows=5, length=41)
    with pytest.raises(ShardError, match="41 time points"):
        list(stream([RowRange(path, 0, 5)]))
