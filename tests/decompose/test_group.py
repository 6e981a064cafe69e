from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from dca.decompose import code_run, learn_group, odl
from dca.decompose.columns import Columns, normalise
from dca.decompose.courses import regress_courses
from dca.decompose.group import halves, read_group
from dca.decompose.result import read_coefficients, read_dictionary
from dca.decompose.settings import Settings, setups
from dca.decompose.stability import match_atoms
from dca.decompose.stream import BLOCK, CHUNK, ColumnStream
from dca.errors import ConfigError, InputError, ModelError, ShardError
from dca.files import read_json
from dca.signals import Shard

from .conftest import NETWORKS, T, make_features, make_shard

SETTINGS = Settings(atoms=3 * NETWORKS, normalise="unit", lam=0.3, batch_size=64, passes=6, seed=0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, networks):
    """Shards of four runs with the same networks, each with its own voxels and noise."""
    folder = tmp_path_factory.mktemp("runs")
    courses, _ = networks
    paths = []
    for number in range(4):
        rng = np.random.default_rng(number)
        member = rng.integers(NETWORKS, size=260 + number)
        rows = courses.T[member] * np.sqrt(T) + 0.4 * rng.normal(size=(len(member), T))
        rows = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
        paths.append(make_shard(folder / f"{number}.h5", rows.astype(np.float32)))
    return paths


def columns_of(paths):
    blocks = []
    for path in paths:
        with Shard(path) as shard:
            blocks.append(shard.read(0, shard.n_voxels))
    matrix = np.concatenate(blocks)
    normalise(Columns(matrix, "", paths[0]), "unit")
    return matrix


def test_a_pass_over_the_stream_has_every_column_once(runs, monkeypatch):
    monkeypatch.setattr("dca.decompose.stream.BLOCK", 32)
    monkeypatch.setattr("dca.decompose.stream.CHUNK", 5)
    stream = ColumnStream(runs, "raw", "unit", None, seed=1)
    chunks = [chunk for chunk, _ in stream.chunks(1)]
    assert max(map(len, chunks)) <= 160 and len(chunks) == stream.chunk_count(1)
    expected = columns_of(runs)
    found = np.concatenate(chunks)
    np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])
    assert not np.array_equal(found, expected)
    assert stream.chunk_count(2.5) == len(list(stream.chunks(2.5)))


def test_chunks_are_small_however_many_runs(runs):
    assert BLOCK * CHUNK * 284 * 4 < 20e6
    sources = runs * 50
    for chunk, _ in ColumnStream(sources, "raw", "unit", None, seed=0).chunks(0.5):
        assert len(chunk) <= BLOCK * CHUNK


def test_a_limit_of_columns_takes_the_same_share_of_every_run(runs):
    stream = ColumnStream(runs, "raw", "unit", 400, seed=1)
    assert stream.rows == [100] * 4
    assert sum(len(chunk) for chunk, _ in stream.chunks(1)) == 400


def test_features_are_centred_over_all_runs(runs, tmp_path):
    rng = np.random.default_rng(0)
    codes = [rng.normal(loc=3 * i, size=(260 + i, 10)) for i in range(4)]
    paths = [make_features(tmp_path / f"{i}.h5", runs[i], codes[i], "f00d") for i in range(4)]
    stream = ColumnStream(paths, "dca", "unit", None, seed=0)
    mean = stream.centre()
    np.testing.assert_allclose(mean, np.mean([c.mean(axis=0) for c in codes], axis=0), rtol=1e-5)
    centred = np.concatenate(codes) - mean
    expected = (centred / np.linalg.norm(centred, axis=1, keepdims=True)).sum(axis=0)
    found = np.concatenate([chunk for chunk, _ in stream.chunks(1)]).sum(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert stream.origin == {"f00d"}


@pytest.fixture(scope="module")
def group(runs, tmp_path_factory):
    """Dictionary of three of the runs."""
    folder = tmp_path_factory.mktemp("group")
    split = halves(runs[:3], ["01", "02", "02"])
    learn_group(runs[:3], folder, setup="raw", settings=SETTINGS, halves=split)
    return folder


def test_networks_of_all_runs_are_found(group, networks):
    courses = read_dictionary(group, T)
    assert np.abs(networks[0].T @ courses).max(axis=1).min() > 0.97
    summary = read_json(group / "summary.json")
    assert (summary["runs"], summary["columns"], summary["atoms"]) == (3, 783, 18)
    assert summary["split_half"]["runs"] == [1, 2]
    assert summary["split_half"]["above_0.8_percent"] >= 100 * NETWORKS / SETTINGS.atoms - 1e-9
    assert summary["objective"] < 0.35
    assert summary["last_quarter_fall_percent"] < 1 and summary["warnings"] == []


@pytest.mark.parametrize(
    ("blocks", "expected"), [(CHUNK, "cannot tell whether it has converged"), (1, "has not converged")]
)
def test_a_group_dictionary_that_may_not_have_converged_warns(runs, tmp_path, monkeypatch, blocks, expected):
    monkeypatch.setattr("dca.decompose.stream.BLOCK", 8)
    monkeypatch.setattr("dca.decompose.stream.CHUNK", blocks)
    settings = replace(SETTINGS, lam=0.2, batch_size=8, passes=0.1)
    summary = learn_group(runs, tmp_path, setup="raw", settings=settings)
    (warning,) = summary["warnings"]
    assert expected in warning and "raise decompose.passes" in warning


def test_the_stream_is_as_good_as_one_matrix(group, runs):
    X = columns_of(runs[:3])
    initial = odl.initial_dictionary(X.T, np.ones(len(X), bool), SETTINGS.atoms, 0)
    learner = odl.Learner(initial, SETTINGS.lam, SETTINGS.batch_size)
    learner.feed(X.T, SETTINGS.iterations(len(X)))
    ours, theirs = (
        odl.encode(X.T, D, SETTINGS.lam).objective for D in (read_group(group).dictionary, learner.dictionary)
    )
    assert ours == pytest.approx(theirs, rel=0.02)


def test_a_run_is_coded_in_the_groups_dictionary(group, runs, networks, tmp_path):
    summary = code_run(runs[3], group, runs[3], tmp_path)
    atoms = read_group(group).dictionary
    codes = read_coefficients(tmp_path, (SETTINGS.atoms, 263))
    expected = odl.encode(columns_of(runs[3:]).T, atoms, SETTINGS.lam)
    np.testing.assert_array_equal(codes.toarray(), expected.matrix.toarray())
    assert summary["setup"] == "raw-group" and summary["objective"] == expected.objective
    courses = read_dictionary(tmp_path, T)
    assert np.abs(networks[0].T @ courses).max(axis=1).min() > 0.97


def test_regressed_courses_are_those_of_least_squares(runs):
    codes = sparse.random_array((7, 260), density=0.3, rng=np.random.default_rng(1)).tolil()
    codes[3] = 0
    codes = sparse.csr_array(codes)
    with Shard(runs[0]) as shard:
        found = regress_courses(shard, codes)
        signals = shard.read(0, 260)
    used = [0, 1, 2, 4, 5, 6]
    expected = np.linalg.lstsq(codes.toarray()[used].T, signals, rcond=None)[0].T
    np.testing.assert_allclose(found[:, used], expected, rtol=1e-3, atol=1e-4)
    assert not found[:, 3].any()


def test_matching_undoes_order_and_sign():
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(50, 8))
    order = rng.permutation(8)
    partner, alike = match_atoms(atoms, (atoms * rng.choice([-2, 3], 8))[:, order])
    np.testing.assert_array_equal(order[partner], np.arange(8))
    np.testing.assert_allclose(alike, 1)
    one_to_one, low = match_atoms(atoms, np.repeat(atoms[:, :1], 8, axis=1))
    assert sorted(one_to_one) == list(range(8)) and np.sort(low)[-2] < 0.6


def test_halves_share_no_subject():
    first, second = halves(["a", "b", "c", "d"], ["02", "01", "02", "03"])
    assert (first, second) == (["b", "d"], ["a", "c"])
    assert halves(["a"], ["01"]) == (["a"], [])


def test_runs_that_do_not_go_together_are_named(group, runs, tmp_path):
    short = make_shard(
        tmp_path / "short.h5", np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)
    )
    with pytest.raises(ShardError, match=r"short.h5: has columns of length 40"):
        learn_group([runs[0], short], tmp_path, setup="raw", settings=SETTINGS)
    with pytest.raises(ShardError, match="the group dictionary 48"):
        code_run(short, group, short, tmp_path)
    with pytest.raises(ConfigError, match="there are none"):
        learn_group([], tmp_path, setup="raw", settings=SETTINGS)
    with pytest.raises(InputError, match=r"atoms.h5: does not exist"):
        code_run(runs[0], tmp_path, runs[0], tmp_path)


def test_a_group_of_features_belongs_to_one_model(run, tmp_path, monkeypatch):
    monkeypatch.setattr("dca.decompose.group.decode", lambda atoms, *_: np.repeat(atoms, 5, axis=0)[:T])
    settings = Settings(atoms=8, normalise="unit", lam=0.2, batch_size=64, passes=2, seed=0)
    learn_group([run.features], tmp_path / "g", setup="dca", settings=settings, model_folder=run.model)
    assert read_group(tmp_path / "g").mean.shape == (10,)
    code_run(run.features, tmp_path / "g", run.shard, tmp_path / "run")
    assert read_json(tmp_path / "run" / "summary.json")["setup"] == "dca-group"
    other = make_features(tmp_path / "other.h5", run.shard, run.codes, "beef")
    with pytest.raises(ModelError, match="features of another model"):
        code_run(other, tmp_path / "g", run.shard, tmp_path / "run")
    with pytest.raises(ModelError, match="is not the model that made all"):
        learn_group([run.features, other], tmp_path, setup="dca", settings=settings, model_folder=run.model)


def test_setups_of_the_levels():
    section = {"setups": ["raw", "dca", "dca-signal"], "level": "run"}
    assert setups(section) == ["raw", "dca", "dca-signal"]
    assert setups(section | {"level": "group"}) == ["raw-group", "dca-group"]
    assert len(setups(section | {"level": "both"})) == 5
    with pytest.raises(ConfigError, match="which no setup has"):
        setups({"setups": ["dca-signal"], "level": "group"})
