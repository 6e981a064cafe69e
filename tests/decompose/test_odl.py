import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from threadpoolctl import threadpool_limits

from dca.decompose import odl

from .conftest import NETWORKS


def unit_columns(seed, length, count):
    return odl.unit(np.random.default_rng(seed).normal(size=(length, count)))


def smooth_columns(length, count, *, networks=30):
    """Mixtures of smooth time courses in noise, like voxels; shape (length, count), unit norm."""
    rng = np.random.default_rng(3)
    courses = gaussian_filter1d(rng.normal(size=(length, networks)), 3, axis=0)
    weights = rng.normal(size=(networks, count)) * (rng.random((networks, count)) < 0.15)
    mixed = 2 * courses @ weights + rng.normal(size=(length, count))
    return odl.unit(mixed - mixed.mean(axis=0))


def learnt(X, atoms, lam, *, seed=0, iterations=20, batch_size=64):
    initial = odl.initial_dictionary(X, np.ones(X.shape[1], bool), atoms, seed)
    learner = odl.Learner(initial, lam, batch_size)
    learner.feed(X, iterations)
    return learner.dictionary, initial


def objective(X, D, A, lam):
    return 0.5 * np.square(X - D @ A).sum(axis=0).mean() + lam * np.abs(A).sum(axis=0).mean()


def violation(X, D, A, lam):
    """How far from optimal codes are: the largest excess of |D'r| over lambda."""
    return np.abs(D.T @ (X - D @ A)).max() - lam


@pytest.mark.parametrize("lam", [0.05, 0.15, 0.4])
def test_codes_equal_those_of_scikit_learn(lam):
    X, D = smooth_columns(60, 90), unit_columns(1, 60, 40)
    codes = odl.encode(X, D, lam, block=32)
    theirs = sparse_encode(X.T.astype(float), D.T.astype(float), algorithm="lasso_lars", alpha=lam).T
    np.testing.assert_allclose(codes.matrix.toarray(), theirs, atol=1e-4)
    assert codes.objective == pytest.approx(objective(X, D, theirs, lam), rel=1e-6)
    assert codes.r2 == pytest.approx(1 - np.square(X - D @ theirs).sum() / np.square(X).sum(), abs=1e-6)
    assert codes.matrix.dtype == np.float32


def test_dictionary_is_as_good_as_that_of_scikit_learn():
    X, lam = smooth_columns(60, 400), 0.15
    dictionary, initial = learnt(X, 20, lam, iterations=30)
    theirs = MiniBatchDictionaryLearning(
        20, alpha=lam, batch_size=64, max_iter=4, fit_algorithm="cd", dict_init=initial.T, random_state=0
    )
    theirs.fit(X.T.astype(float))
    before, ours, other = (
        odl.encode(X, D, lam).objective for D in (initial, dictionary, theirs.components_.T)
    )
    assert ours < 0.97 * before
    assert ours == pytest.approx(other, rel=0.03)


def test_learning_chunk_by_chunk_is_as_good_as_at_once():
    X, lam = smooth_columns(60, 1200), 0.15
    at_once, initial = learnt(X, 30, lam, iterations=40, batch_size=60)
    learner = odl.Learner(initial, lam, 60)
    for start in [0, 400, 800] * 2:
        learner.feed(np.asfortranarray(X[:, start : start + 400]), 400 // 60)
    before, ours, theirs = (odl.encode(X, D, lam).objective for D in (initial, learner.dictionary, at_once))
    assert learner.iterations == 36
    assert ours - theirs < 0.05 * (before - theirs)


def test_planted_dictionary_is_recovered(networks, run):
    courses, _ = networks
    X = odl.unit(run.rows.T)
    dictionary, _ = learnt(X, 3 * NETWORKS, 0.3, iterations=40)
    assert np.abs(courses.T @ dictionary).max(axis=1).min() > 0.97


def test_same_bytes_whatever_ran_before():
    X = smooth_columns(100, 2000)
    first, _ = learnt(X, 150, 0.15)
    codes = odl.encode(X, first, 0.15).matrix
    with threadpool_limits(2):
        odl.encode(X[:, :50], unit_columns(4, 100, 20), 0.1, threads=2)
        again, _ = learnt(X, 150, 0.15)
        codes_again = odl.encode(X, again, 0.15).matrix
    assert first.tobytes() == again.tobytes()
    assert codes.data.tobytes() == codes_again.data.tobytes()
    assert (codes.indices == codes_again.indices).all()
    assert learnt(X, 150, 0.15, seed=1)[0].tobytes() != first.tobytes()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 20),
    st.integers(2, 30),
    st.sampled_from([0.01, 0.15, 0.7]),
    st.booleans(),
)
@example(240, 19, 30, 0.01, True)
def test_tiny_runs_and_equal_voxels_work(seed, voxels, atoms, lam, twins):
    X = unit_columns(seed, 12, voxels)
    if twins:
        X[:, : voxels // 2] = X[:, :1]
    dictionary, initial = learnt(X, atoms, lam, iterations=5)
    odl.restore_dead(dictionary, initial)
    codes = odl.encode(X, dictionary, lam)
    A = codes.matrix.toarray().astype(float)
    assert dictionary.shape == (12, atoms)
    np.testing.assert_allclose(np.linalg.norm(dictionary, axis=0), 1, rtol=1e-5)
    assert violation(X, dictionary.astype(float), A, lam) < 1e-5
    assert codes.objective == pytest.approx(objective(X, dictionary, A, lam), rel=1e-5)


@pytest.mark.parametrize("everywhere", [False, True])
def test_codes_that_are_not_at_the_minimum_are_repaired(monkeypatch, everywhere):
    X, D, lam = smooth_columns(60, 90), unit_columns(1, 60, 40), 0.1
    expected = odl.encode(X, D, lam)
    lars, wrong, calls = odl.spams.lasso, [3, 40, 41], []

    def astray(x, **options):
        """Stops at once, goes too far, or leaves a code at half its size: in float32, or in float64 too."""
        calls.append((x.dtype.name, x.shape[1]))
        codes = lars(x, **options).tolil()
        if everywhere or x.dtype == np.float32:
            for column, factor in zip(wrong if x.shape[1] == 90 else range(3), (0, 1.5, 0.5), strict=True):
                codes[:, column] = factor * codes[:, column]
        return codes.tocsc()

    monkeypatch.setattr(odl.spams, "lasso", astray)
    codes = odl.encode(X, D, lam)
    assert calls == [("float32", 90), ("float64", len(wrong))]
    assert (expected.repaired, codes.repaired) == (0, len(wrong) if everywhere else 0)
    np.testing.assert_allclose(codes.matrix.toarray(), expected.matrix.toarray(), atol=1e-4)
    assert codes.objective == pytest.approx(expected.objective, rel=1e-6)


def test_fewer_voxels_than_atoms_give_atoms_that_differ():
    X = unit_columns(0, 30, 5)
    usable = np.array([True, False, True, True, True])
    initial = odl.initial_dictionary(X, usable, 40, seed=0)
    cosines = np.abs(initial.T @ initial) - np.eye(40)
    assert cosines.max() < 0.99999
    assert np.abs(X[:, 1] @ initial).max() < 0.9
    np.testing.assert_allclose(np.linalg.norm(initial, axis=0), 1, rtol=1e-5)


def test_initial_dictionary_takes_each_column_at_most_once():
    X = unit_columns(0, 30, 200)
    initial = odl.initial_dictionary(X, np.ones(200, bool), 200, seed=3)
    sources = np.argmax(X.T @ initial, axis=0)
    assert sorted(sources) == list(range(200))
    assert sources.tolist() != list(range(200))


def test_dead_atoms_are_restored():
    initial = unit_columns(0, 10, 4)
    dictionary = unit_columns(1, 10, 4)
    dictionary[:, 2] = 0
    kept = dictionary[:, [0, 1, 3]].copy()
    assert odl.restore_dead(dictionary, initial) == 1
    np.testing.assert_array_equal(dictionary[:, 2], initial[:, 2])
    np.testing.assert_array_equal(dictionary[:, [0, 1, 3]], kept)


def test_the_papers_lambda_is_for_zscored_columns():
    """0.7 leaves z-scored columns of length 284 many codes, and columns of unit norm next to none."""
    unit = smooth_columns(284, 512)
    zscored = np.asfortranarray(unit * np.float32(np.sqrt(284)))
    (z, _), (u, _) = learnt(zscored, 200, 0.7, iterations=8), learnt(unit, 200, 0.7, iterations=8)
    size = 200 * 512
    assert 0.1 < odl.encode(zscored, z, 0.7).matrix.nnz / size < 0.4
    assert odl.encode(unit, u, 0.7).matrix.nnz / size < 0.01


def test_lambda_scales_with_the_columns():
    X, D = smooth_columns(64, 80), unit_columns(1, 64, 40)
    one, eight = odl.encode(X, D, 0.1), odl.encode(8 * X, D, 0.8)
    np.testing.assert_allclose(eight.matrix.toarray(), 8 * one.matrix.toarray(), rtol=1e-4, atol=1e-5)
    assert eight.objective == pytest.approx(64 * one.objective, rel=1e-5)
    assert eight.r2 == pytest.approx(one.r2, abs=1e-6)


GROWTH = """
import numpy as np, psutil
from dca.decompose import odl

random, process = np.random.default_rng(0), psutil.Process()
learner = odl.Learner(odl.unit(random.normal(size=(1000, 1000))), 0.3, 64)
for number in range(15):
    learner.feed(odl.unit(random.normal(size=(1000, 64))), 1)
    if number == 2:
        before = process.memory_info().rss
print((process.memory_info().rss - before) / 2**20)
"""


def test_memory_does_not_grow_with_the_chunks():
    # In a process of its own: memory that others freed would hide what is lost.
    told = subprocess.run([sys.executable, "-c", GROWTH], check=True, capture_output=True, text=True).stdout
    sums_mb = 2 * 4 * 1000 * 1000 / 2**20
    assert float(told) < 4 * sums_mb  # of 12 that could be lost
