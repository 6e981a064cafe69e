import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.compare.pcc import best_atoms, correlate, standardise

seeds = st.integers(0, 2**32 - 1)


def columns(seed, length, count):
    return np.random.default_rng(seed).normal(size=(length, count))


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(3, 60), st.integers(1, 8), st.integers(1, 5))
def test_correlate_equals_corrcoef(seed, length, atoms, events):
    dictionary, design = columns(seed, length, atoms), columns(seed + 1, length, events)
    expected = np.corrcoef(design.T, dictionary.T)[:events, events:]
    np.testing.assert_allclose(correlate(dictionary, design), expected, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(-300, 300), st.floats(-1e3, 1e3))
def test_scale_and_offset_do_not_matter_and_sign_flips(seed, exponent, offset):
    dictionary, design = columns(seed, 40, 6), columns(seed + 1, 40, 2)
    before = correlate(dictionary, design)
    scale = 10.0 ** (exponent / 2)
    np.testing.assert_allclose(correlate(-scale * dictionary, design), -before, atol=1e-9)
    np.testing.assert_allclose(correlate(dictionary + offset, design), before, atol=1e-9)


def test_float32_constant_columns_correlate_zero():
    design = columns(0, 50, 2)
    dictionary = np.column_stack([np.full(50, 0.1, np.float32), np.zeros(50), design[:, 0]])
    correlations = correlate(dictionary, design)
    assert not correlations[:, :2].any()
    assert correlations[0, 2] == pytest.approx(1)


def test_standardised_columns_have_unit_norm():
    unit = standardise(columns(1, 30, 4) * 1e-200)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=0), 1)


def test_best_atom_may_be_negative():
    best = best_atoms(np.array([[0.2, -0.9, 0.9], [0.0, 0.0, 0.0], [0.1, 0.4, -0.3]]))
    assert best.atom.tolist() == [1, 0, 1]
    assert best.sign.tolist() == [-1, 1, 1]
    assert best.pcc.tolist() == [0.9, 0.0, 0.4]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="40 and 41"):
        correlate(columns(0, 40, 2), columns(0, 41, 2))
