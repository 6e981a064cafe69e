import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from dca.decompose.atoms import arrange, names, time_courses


def codes_of(seed, atoms, voxels):
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(atoms, voxels)) * (rng.random((atoms, voxels)) < 0.3)
    return sparse.csr_array(dense.astype(np.float32))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 30))
def test_order_and_sign_are_settled_and_the_product_stays(seed, atoms, voxels):
    dictionary = np.random.default_rng(seed).normal(size=(9, atoms)).astype(np.float32)
    codes = codes_of(seed, atoms, voxels)
    arranged = arrange(dictionary, codes)
    A = arranged.coefficients
    np.testing.assert_allclose(arranged.dictionary @ A.toarray(), dictionary @ codes.toarray(), atol=1e-4)
    assert (A.sum(axis=1) >= -1e-5).all()
    assert (np.diff(arranged.energy) <= 0).all()
    np.testing.assert_allclose(arranged.energy, np.square(A.toarray()).sum(axis=1), rtol=1e-4)
    assert A.dtype == np.float32
    assert (A.nnz, A.shape) == (codes.nnz, codes.shape)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_arranging_does_not_depend_on_order_and_sign_before(seed):
    rng = np.random.default_rng(seed)
    dictionary, codes = rng.normal(size=(9, 6)).astype(np.float32), codes_of(seed, 6, 40)
    codes = codes + sparse.csr_array(np.float32(0.1 * rng.normal(size=codes.shape)))  # every atom is used
    order, sign = rng.permutation(6), rng.choice([-1, 1], 6).astype(np.float32)
    other = sparse.csr_array(sparse.diags_array(sign, dtype=np.float32) @ codes[order])
    one, two = arrange(dictionary, codes), arrange(dictionary[:, order] * sign, other)
    np.testing.assert_array_equal(one.dictionary, two.dictionary)
    np.testing.assert_array_equal(one.coefficients.toarray(), two.coefficients.toarray())


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-30, 30), st.floats(-1e3, 1e3))
def test_time_courses_are_centred_with_unit_norm(seed, exponent, offset):
    dictionary = 10.0**exponent * (np.random.default_rng(seed).normal(size=(40, 5)) + offset)
    courses = time_courses(dictionary)
    np.testing.assert_allclose(courses.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(courses, axis=0), 1, rtol=1e-5)
    centred = dictionary - dictionary.mean(axis=0)
    assert (np.sum(courses * centred, axis=0) > 0).all()


@pytest.mark.parametrize("value", [0, 0.1, -1e20])
def test_flat_time_courses_become_zero(value):
    assert not time_courses(np.full((30, 2), value, np.float32)).any()


def test_names_sort_as_they_count():
    assert names(2) == ["atom_000", "atom_001"]
    assert names(1000)[-1] == "atom_999"
    assert names(1001)[7] == "atom_0007"
