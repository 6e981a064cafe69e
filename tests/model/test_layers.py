import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.model.layers import MaxPool1DWithSwitches, Unpool1D


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 13), size=st.integers(1, 4), ties=st.booleans(), seed=st.integers(0, 2**16))
def test_pooling_and_unpooling_match_numpy(reference, length, size, ties, seed):
    x = np.random.default_rng(seed).standard_normal((2, length, 3)).astype(np.float32)
    x = np.maximum(np.round(x), 0) if ties else x
    pooled, switches = MaxPool1DWithSwitches(size)(x)
    maxima, positions = reference.pool(x, size)
    np.testing.assert_array_equal(pooled, maxima)
    np.testing.assert_array_equal(np.asarray(switches).astype(int), positions)
    back = Unpool1D(length, size)(pooled, switches)
    np.testing.assert_array_equal(back, reference.unpool(maxima, positions, size, length))
    up = Unpool1D(length, size)(pooled)
    np.testing.assert_array_equal(up, reference.unpool(maxima, None, size, length))


@pytest.mark.parametrize("size", [2, 3])
def test_pooling_keeps_negative_maxima_of_a_padded_window(size):
    pooled, _ = MaxPool1DWithSwitches(size)(np.full((1, 7, 1), -5, np.float32))
    np.testing.assert_array_equal(np.asarray(pooled).ravel(), -5)
