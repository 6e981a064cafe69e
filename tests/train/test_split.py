import pickle

import pytest

from dca.errors import ShardError, TrainingError
from dca.train import split
from dca.train.split import TrainingData


def rows(ranges):
    return [(r.path.stem, r.start, r.stop) for r in ranges]


def test_given_subjects_are_held_out(make_shard):
    data = TrainingData.from_shards([make_shard("a"), make_shard("b")], [make_shard("c", rows=20)])
    assert data.held_out == "subjects"
    assert (rows(data.train), rows(data.validation)) == ([("a", 0, 50), ("b", 0, 50)], [("c", 0, 20)])
    assert (data.rows, data.validation_rows, data.length, data.tr) == (100, 20, 40, 2.0)
    assert data.run_ids == ("a", "b")
    assert data.preprocessing == ({"highpass_s": 100},)
    assert pickle.loads(pickle.dumps(data)) == data


def test_targets_go_with_their_rows(make_shard, tmp_path):
    shards = [make_shard("a"), make_shard("b"), make_shard("c")]
    targets = [path.rename(tmp_path / f"target_{path.name}") for path in shards]
    shards = [make_shard("a"), make_shard("b"), make_shard("c")]
    data = TrainingData.from_shards(shards[:2], shards[2:], targets)
    assert [own.target for own in (*data.train, *data.validation)] == targets
    plain = TrainingData.from_shards(shards[:2], shards[2:])
    assert (data.targets, plain.targets) == (True, False)
    assert data.hash != plain.hash
    make_shard("a", seed=1).rename(targets[0])
    make_shard("a")
    assert TrainingData.from_shards(shards[:2], shards[2:], targets).hash != data.hash
    cut = TrainingData.from_shards(shards, (), targets)
    assert [own.target for own in cut.validation] == targets


def test_runs_of_a_single_subject_are_held_out_and_it_is_said(make_shard, caplog):
    data = TrainingData.from_shards([make_shard(f"r{i}", subject="s") for i in range(3)])
    assert (data.held_out, rows(data.validation)) == ("runs", [("r2", 0, 50)])
    assert data.run_ids == ("r0", "r1")
    assert "1 of the 3 runs" in caplog.text


@pytest.mark.parametrize("subjects", [["s"], ["s", "t"]])
def test_else_rows_are_held_out_and_it_is_said(make_shard, caplog, subjects):
    data = TrainingData.from_shards([make_shard(f"r-{s}", subject=s) for s in subjects])
    assert data.held_out == "rows"
    assert rows(data.train) == [(f"r-{s}", 0, 45) for s in subjects]
    assert rows(data.validation) == [(f"r-{s}", 45, 50) for s in subjects]
    assert "optimistic" in caplog.text


@pytest.mark.parametrize(("n", "kind", "left"), [(1, "nothing", 1), (2, "rows", 1), (5, "rows", 4)])
def test_very_few_rows(make_shard, n, kind, left):
    data = TrainingData.from_shards([make_shard("a", rows=n)])
    assert (data.held_out, data.rows) == (kind, left)


def test_validation_rows_are_limited_in_equal_parts(make_shard, monkeypatch):
    monkeypatch.setattr(split, "VALIDATION_ROWS", 30)
    data = TrainingData.from_shards([make_shard("a")], [make_shard("b"), make_shard("c", rows=7)])
    assert rows(data.validation) == [("b", 0, 15), ("c", 0, 7)]


def test_the_hash_is_that_of_the_data_and_not_of_where_they_lie(make_shard, tmp_path):
    a, b = make_shard("a"), make_shard("b")
    first = TrainingData.from_shards([a], [b])
    moved = a.rename(tmp_path / "moved.h5")
    assert TrainingData.from_shards([moved], [b]).hash == first.hash
    assert TrainingData.from_shards([make_shard("a", seed=1)], [b]).hash != first.hash
    assert TrainingData.from_shards([make_shard("a", rows=49)], [b]).hash != first.hash


def test_runs_that_do_not_go_together_are_named(make_shard):
    a, b, c = make_shard("a"), make_shard("b", length=44), make_shard("c", tr=2.5)
    with pytest.raises(TrainingError, match="40 time points: a; 44 time points: b"):
        TrainingData.from_shards([a, b])
    with pytest.raises(TrainingError, match=r"TR 2 s: a; TR 2\.5 s: c"):
        TrainingData.from_shards([a], [c])
    TrainingData.from_shards([a, make_shard("d", tr=2.0001)])


def test_long_listings_are_cut(make_shard):
    paths = [make_shard(f"a{i}") for i in range(5)]
    with pytest.raises(TrainingError, match="a0, a1, a2 and 2 more; 44"):
        TrainingData.from_shards([*paths, make_shard("b", length=44)])


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(TrainingError, match="no training run"):
        TrainingData.from_shards([])
    with pytest.raises(ShardError, match="does not exist"):
        TrainingData.from_shards([tmp_path / "a.h5"])
