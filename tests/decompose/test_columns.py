from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.decompose.columns import Columns, normalise, read_columns, remove_mean_column
from dca.errors import ShardError
from dca.features import Features
from dca.signals import Shard

from .conftest import make_shard


def columns(matrix):
    return Columns(np.array(matrix, dtype=np.float32), "run", Path("run.h5"))


def test_reads_all_rows_in_order(run):
    with Shard(run.shard) as shard, Features(run.features) as features:
        np.testing.assert_array_equal(read_columns(shard).matrix, run.rows.astype(np.float32))
        np.testing.assert_array_equal(read_columns(features).matrix, run.codes.astype(np.float32))


def test_values_that_are_not_finite_are_refused(tmp_path):
    rows = np.ones((5, 40), np.float32)
    rows[3, 7] = np.nan
    with Shard(make_shard(tmp_path / "run.h5", rows)) as shard, pytest.raises(ShardError, match="not finite"):
        read_columns(shard)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(3, 30), st.floats(-15, 15))
def test_every_column_gets_the_scale_of_lambda(seed, count, length, exponent):
    matrix = 10.0**exponent * np.random.default_rng(seed).normal(size=(count, length))
    unit, zscored = columns(matrix), columns(matrix)
    scaling = normalise(unit, "unit", rows=7)
    np.testing.assert_allclose(np.linalg.norm(unit.matrix, axis=1), 1, rtol=1e-5)
    assert scaling.usable.all()
    assert scaling.typical_norm == pytest.approx(np.median(np.linalg.norm(matrix, axis=1)), rel=1e-5)
    normalise(zscored, "zscore", rows=7)
    np.testing.assert_allclose(zscored.matrix.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(zscored.matrix.std(axis=1), 1, rtol=1e-5)


def test_flat_columns_become_zero_and_are_told():
    matrix = np.random.default_rng(0).normal(size=(4, 50))
    matrix[1], matrix[2] = 0, 1 / 3
    for how, flat in (("unit", [1]), ("zscore", [1, 2])):
        some = columns(matrix)
        scaling = normalise(some, how)
        assert np.flatnonzero(~scaling.usable).tolist() == flat
        assert not some.matrix[flat].any()


def test_nothing_that_varies_is_an_error():
    with pytest.raises(ShardError, match="no voxel that varies"):
        normalise(columns(np.full((3, 20), 0.1)), "zscore")


def test_mean_over_voxels_is_removed():
    matrix = np.random.default_rng(0).normal(size=(200, 8)) + np.arange(8)
    some = columns(matrix)
    mean = remove_mean_column(some)
    np.testing.assert_allclose(mean, matrix.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(some.matrix, matrix - matrix.mean(axis=0), atol=1e-5)


def test_voxels_of_one_and_the_same_code_do_not_vary():
    some = columns(np.tile(np.linspace(0.1, 7, 20), (1000, 1)))
    remove_mean_column(some)
    assert not some.matrix.any()
