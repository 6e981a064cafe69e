"""What an atom explains by itself, against least squares on dense arrays."""

import numpy as np
import pytest
from scipy import sparse

from dca.decompose.courses import variance_explained

T, N, K = 30, 50, 5


class Rows:
    """Signals as a shard gives them, in two blocks."""

    length = T

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def blocks(self):
        yield from ((0, self.matrix[:20]), (20, self.matrix[20:]))


@pytest.fixture
def made():
    """Signals, courses and maps; the signals have something of the first three atoms."""
    rng = np.random.default_rng(0)
    courses, maps = rng.standard_normal((T, K)), rng.gamma(2, 1, (K, N)) * (rng.random((K, N)) < 0.3)
    signals = rng.standard_normal((N, T)) + (courses[:, :3] @ maps[:3]).T
    return signals - signals.mean(axis=1, keepdims=True), courses, maps


def test_variance_explained_is_that_of_least_squares(made) -> None:
    signals, courses, maps = made
    found = variance_explained(
        Rows(signals.astype(np.float32)), 7 * courses + 3, sparse.csr_array(0.1 * maps)
    )
    for k in range(K):
        one = np.outer(maps[k], courses[:, k] - courses[:, k].mean())
        (scale,), *_ = np.linalg.lstsq(one.reshape(-1, 1), signals.ravel(), rcond=None)
        left = np.square(signals - max(scale, 0) * one).sum() / np.square(signals).sum()
        assert found[k] == pytest.approx(1 - left, abs=1e-6)
    assert found[:3].min() > 0.05 > found[3:].max()


def test_all_is_explained_by_the_atom_that_the_signals_are_and_nothing_by_none(made) -> None:
    _, courses, maps = made
    course = courses[:, 0] - courses[:, 0].mean()
    codes = sparse.csr_array(np.stack([maps[0], np.zeros(N), maps[0], maps[0]]))
    atoms = np.column_stack([course, course, np.ones(T), -course])  # unused, flat, against its voxels
    found = variance_explained(Rows(np.outer(maps[0], course)), atoms, codes)
    np.testing.assert_allclose(found, [1, 0, 0, 0], atol=1e-9)
