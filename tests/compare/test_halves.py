import numpy as np
import pytest
from scipy import sparse

from dca.compare.halves import effect_weights, halve, held_out_scores
from dca.compare.nulls import make_nulls
from dca.compare.voxels import VoxelSums
from dca.glm.design import event_regressors

from .test_nulls import TASK, TR, VOLUMES, blocks, nulls, smooth_noise

VOXELS, CONSTANT, ALL = 60, np.ones((VOLUMES, 1)), np.arange(VOLUMES)


class Rows:
    """What `VoxelSums` needs of a shard."""

    def __init__(self, signals):
        self.signals = signals.astype(np.float32)
        self.n_voxels, self.length = signals.shape

    def blocks(self, rows=25):
        for start in range(0, self.n_voxels, rows):
            yield start, self.signals[start : start + rows]


def test_a_run_is_cut_in_the_middle():
    first, second = halve(VOLUMES)
    np.testing.assert_array_equal(np.concatenate([first, second]), ALL)
    assert len(first) == len(second) == 100
    assert halve(39) is None


def test_an_event_of_one_half_has_no_score():
    rng = np.random.default_rng(0)
    events = blocks("aaabbcbccbcb")  # `a` in the first three places only
    null = nulls(events, 30, highpass_s=0)["a"]
    sums = VoxelSums(Rows(rng.normal(size=(9, VOLUMES))), {"raw": sparse.csr_array(np.eye(9))}, ALL)
    scores = held_out_scores(null, halve(VOLUMES), smooth_noise(rng, 9), CONSTANT, "raw", sums)
    assert np.isnan(scores.pcc[0]) and np.isnan(scores.spatial[0])


def test_effects_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    design, nuisance = rng.normal(size=(3, 80, 4)), rng.normal(size=(80, 2))
    signals = rng.normal(size=(80, 7))
    weights = effect_weights(design, 1, nuisance)
    for s in range(4):
        matrix = np.column_stack([design[:, :, s].T, nuisance, np.ones(80)])
        beta = np.linalg.lstsq(matrix, signals, rcond=None)[0][1]
        ratio = (weights[s] @ signals) / beta
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
        assert ratio[0] > 0


def test_events_that_cannot_be_told_apart_have_no_effect():
    rng = np.random.default_rng(0)
    design = rng.normal(size=(2, 80, 2))
    design[1, :, 0] = 2 * design[0, :, 0] + 1
    weights = effect_weights(design, 0, np.ones((80, 1)))
    assert np.isnan(weights[0]).all() and np.isfinite(weights[1]).all()
    absent = effect_weights(np.concatenate([design[:1], np.zeros((1, 80, 2))]), 0, np.ones((80, 1)))
    assert np.isfinite(absent).all()


def test_correlations_over_voxels_are_those_of_the_maps():
    rng = np.random.default_rng(1)
    signals = rng.normal(size=(VOXELS, VOLUMES)) + rng.normal(size=VOLUMES)
    dense = rng.normal(size=(5, VOXELS)) * (rng.random((5, VOXELS)) < 0.3)
    dense[4] = 0
    codes = sparse.csr_array(dense)
    volumes = np.arange(30, 150)
    weights = rng.normal(size=(6, len(volumes)))
    weights[3] = np.nan
    sums = VoxelSums(Rows(signals), {"raw": codes}, ALL)
    atoms = np.array([0, 1, 2, 3, 4, 2])
    found = sums.correlations("raw", atoms, weights, volumes)
    maps = signals[:, volumes] @ weights.T
    for s in (0, 1, 2, 5):
        expected = np.corrcoef(codes.toarray()[atoms[s]], maps[:, s])[0, 1]
        assert found[s] == pytest.approx(expected, abs=1e-5)
    assert np.isnan(found[3]) and found[4] == 0


def planted(first, second, seed=0):
    """Atoms and signals; atom 3 follows `a` upside down, more or less in either half, in ten voxels."""
    rng = np.random.default_rng(seed)
    course = event_regressors(TASK, VOLUMES, TR, "spm")["a"].to_numpy()
    halves = halve(VOLUMES)
    gain = np.zeros(VOLUMES)
    gain[halves[0]], gain[halves[1]] = first, second
    atoms = smooth_noise(rng, 20)
    atoms[:, 3] = -gain * course / course.std() + 0.3 * smooth_noise(rng, 1)[:, 0]
    signals = rng.normal(size=(VOXELS, VOLUMES))
    signals[:10] += gain * course / course.std()
    codes = rng.normal(size=(20, VOXELS)) * (rng.random((20, VOXELS)) < 0.2)
    codes[3] = np.where(np.arange(VOXELS) < 10, -1, 0)
    return halves, atoms, VoxelSums(Rows(signals), {"raw": sparse.csr_array(codes)}, ALL)


def score(halves, atoms, sums, count=60):
    return held_out_scores(nulls(TASK, count, highpass_s=0)["a"], halves, atoms, CONSTANT, "raw", sums)


def test_what_holds_in_both_halves_scores_high():
    scores = score(*planted(1, 1))
    assert scores.pcc[0] > 0.8 and scores.spatial[0] > 0.6
    assert np.nanmean(scores.pcc[1:]) < 0.5 * scores.pcc[0]


def test_what_holds_in_one_half_only_does_not():
    assert score(*planted(1, 0)).pcc[0] < 0.3


def test_surrogates_without_the_event_in_one_half_have_no_score():
    halves, atoms, sums = planted(1, 1)
    null = nulls(TASK, 60, highpass_s=0)["a"]
    scores = held_out_scores(null, halves, atoms, CONSTANT, "raw", sums)
    late = np.square(null.regressors()[halves[1]]).sum(axis=0) < 0.02
    assert np.isnan(scores.pcc[1:][late]).all()
    assert np.isfinite(scores.pcc[1:]).sum() > 10


def test_held_out_scores_of_noise_are_zero_on_average():
    rng = np.random.default_rng(5)
    found = []
    for seed in range(40):
        events = blocks(rng.permutation(list("abcd" * 3)))
        null = make_nulls(events, VOLUMES, TR, hrf="spm", highpass_s=0, count=1, rng=rng)["a"]
        _, _, sums = planted(0, 0, seed)
        atoms = smooth_noise(rng, 20)
        found.append(held_out_scores(null, halve(VOLUMES), atoms, CONSTANT, "raw", sums).pcc[0])
    found = np.array(found)[np.isfinite(found)]
    assert len(found) > 20
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))
