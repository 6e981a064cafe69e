import numpy as np
import pytest

from dca.compare.space import dice, spatial_correlation

Z = np.array([5.0, 4.0, 3.5, 3.0, 0.0, -1.0, -6.0])


def test_dice_counts_as_many_voxels_as_pass_the_threshold():
    assert dice(Z, Z) == 1
    assert dice(-Z, Z) == 0
    assert dice(np.array([9.0, 8, 0, 7, 0, 0, 0]), Z) == pytest.approx(2 * 2 / (3 + 3))


def test_dice_takes_only_positive_voxels():
    assert dice(np.array([9.0, 0, 0, 0, 0, 0, -9]), Z) == pytest.approx(2 * 1 / (3 + 1))
    assert dice(np.zeros(7), Z) == 0


def test_dice_without_active_voxels_is_missing():
    assert np.isnan(dice(Z, np.zeros(7)))


def test_spatial_correlation():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40))
    assert spatial_correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert spatial_correlation(-3 * a, b) == pytest.approx(-spatial_correlation(a, b))
    assert spatial_correlation(np.zeros(40), b) == 0
