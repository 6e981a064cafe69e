"""Targets: the mean series of other runs."""

import logging

import numpy as np
import pytest

from dca.errors import TrainingError
from dca.signals import Shard, write_shard, write_targets

SHAPE, LENGTH = (3, 2, 2), 20


@pytest.fixture
def make_run(tmp_path):
    """Write a shard of noise at some voxels, in an order of its own."""

    def make(name, voxel, shape=SHAPE, shift=0.0, subject=None, space="MNI"):
        random = np.random.default_rng(len(name) + sum(voxel))
        signals = random.standard_normal((len(voxel), LENGTH)).astype(np.float32)
        affine = np.eye(4)
        affine[0, 3] = shift
        attributes = {
            "run_id": name, "subject": subject or name, "tr": 2.0, "affine": affine, "shape": shape,
            "space": space, "seed": 0, "source": "b", "mask": "m", "source_sha256": name, "mask_sha256": "m",
            "preprocessing": {}, "excluded": {},
        }  # fmt: skip
        path = tmp_path / f"{name}.h5"
        write_shard(
            path, [signals], length=LENGTH, voxel=np.array(voxel),
            mean=np.zeros(len(voxel)), std=np.ones(len(voxel)), attributes=attributes,
        )  # fmt: skip
        return path

    return make


ROWS = {
    "a": "2 3 left\n20 3 right\n",
    "late": "2.9 3 left\n20.4 3 right\n",  # within half a volume
    "turned": "2 3 right\n20 3 left\n",
    "moved": "2 3 left\n22 3 right\n",
    "short": "2 3 left\n",
    "longer": "2 3 left\n20 3 right\n41 60 left\n",  # runs end at 40 s
}


@pytest.fixture
def events(tmp_path):
    """Write an events table of a kind."""

    def write(kind="a"):
        path = tmp_path / f"{kind}_events.tsv"
        path.write_text("onset\tduration\ttrial_type\n" + ROWS[kind].replace(" ", "\t"))
        return path

    return write


def series(path):
    """Series of a shard by voxel."""
    with Shard(path) as shard:
        return dict(zip(shard.voxel.tolist(), shard.read(0, shard.n_voxels), strict=True))


def test_targets_are_the_means_of_the_other_runs_at_each_voxel(make_run, events, tmp_path, caplog):
    runs = [make_run("a", [5, 1, 9, 3]), make_run("bb", [1, 3, 5]), make_run("ccc", [3, 9, 1, 0])]
    new, out = make_run("dddd", [11, 1]), tmp_path / "out"
    with caplog.at_level(logging.WARNING):
        write_targets(dict.fromkeys(runs, events()), {new: events("late")}, out)
    known = [series(path) for path in runs]
    for i, path in enumerate([*runs, new]):
        found = series(out / path.name)
        assert list(found) == list(series(path))  # row by row
        for voxel, values in found.items():
            others = [run[voxel] for j, run in enumerate(known) if j != i and voxel in run]
            expected = np.mean(others, axis=0) if others else np.zeros(LENGTH)
            np.testing.assert_allclose(values, expected, atol=1e-6)
    assert [record.getMessage().split(" voxels")[0] for record in caplog.records] == [
        "ccc: 1 of 4", "dddd: 1 of 2",
    ]  # fmt: skip


def test_only_runs_of_one_design_are_averaged(make_run, events, tmp_path):
    kinds, out = ["a", "turned", "late", "turned"], tmp_path / "out"
    runs = [make_run(name, [1, 2]) for name in ("a", "bb", "ccc", "dddd")]
    write_targets({run: events(kind) for run, kind in zip(runs, kinds, strict=True)}, {}, out)
    for one, other in [(0, 2), (1, 3), (2, 0), (3, 1)]:
        found = series(out / runs[one].name)
        np.testing.assert_allclose(found[1], series(runs[other])[1], atol=1e-6)


@pytest.mark.parametrize("kind", ["turned", "moved", "short"])
def test_a_design_that_no_other_run_has_is_an_error(make_run, events, tmp_path, kind):
    runs, out = [make_run(name, [1, 2]) for name in ("a", "bb", "ccc")], tmp_path / "out"
    odd = {runs[0]: events(), runs[1]: events(kind), runs[2]: events()}
    with pytest.raises(TrainingError, match="no other training subject has the events of bb"):
        write_targets(odd, {}, out)
    with pytest.raises(TrainingError, match="no other training subject has the events of bb"):
        write_targets({runs[0]: events(), runs[2]: events()}, {runs[1]: events(kind)}, out)
    assert not out.exists()


def test_nothing_of_the_same_subject_is_in_a_target(make_run, events, tmp_path):
    names = {"a": "s", "bb": "s", "ccc": "t", "dddd": "u"}
    runs = [make_run(name, [1, 2] if name != "bb" else [2, 4], subject=own) for name, own in names.items()]
    new, out = make_run("eeeee", [2, 4], subject="s"), tmp_path / "out"
    write_targets(dict.fromkeys(runs, events()), {new: events()}, out, "float16")
    third, fourth = series(runs[2]), series(runs[3])
    for path in (runs[0], runs[1], new):
        found = series(out / path.name)
        np.testing.assert_allclose(found[2], (third[2] + fourth[2]) / 2, atol=2e-3)
        assert 4 not in found or not found[4].any()
    expected = (series(runs[0])[2] + series(runs[1])[2] + fourth[2]) / 3
    np.testing.assert_allclose(series(out / runs[2].name)[2], expected, atol=2e-3)
    with Shard(out / runs[0].name) as one, Shard(out / runs[2].name) as other:
        assert one.attributes["source_sha256"] != other.attributes["source_sha256"]
    with pytest.raises(TrainingError, match="no other training subject has the events of a"):
        write_targets(dict.fromkeys(runs[:2], events()), {}, tmp_path / "alone")


def test_of_a_run_that_was_cropped_only_the_events_in_it_count(make_run, events, tmp_path):
    runs, out = [make_run("a", [1]), make_run("bb", [1])], tmp_path / "out"
    write_targets({runs[0]: events("a"), runs[1]: events("longer")}, {}, out)
    np.testing.assert_allclose(series(out / "a.h5")[1], series(runs[1])[1], atol=1e-6)


@pytest.mark.parametrize("other", [{"shape": (2, 3, 2)}, {"shift": 2.0}, {"space": "T1w"}])
def test_runs_must_lie_on_one_grid(make_run, events, tmp_path, other):
    runs = [make_run("a", [1]), make_run("bb", [1], **other)]
    with pytest.raises(TrainingError, match="bb and a lie on different grids"):
        write_targets(dict.fromkeys(runs, events()), {}, tmp_path / "out")
