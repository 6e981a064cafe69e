"""A dictionary of runs with a task, applied to runs without it; `benchmarks/calibration.py` has more."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import kstest

from dca.compare.nulls import make_nulls, p_value
from dca.decompose import odl
from dca.decompose.courses import regress_courses
from dca.glm.design import event_regressors

from .test_halves import Rows
from .test_nulls import TR, VOLUMES, blocks

VOXELS, ATOMS, LAM = 80, 16, 0.2


def task(rng):
    return blocks(rng.permutation(list("abc" * 4)))


def simulate(rng, events=None):
    """Z-scored series (N, T): networks, noise, and a task in a third of the voxels."""
    courses = gaussian_filter1d(rng.normal(size=(6, VOLUMES)), 2.5, axis=1)
    weights = rng.normal(size=(VOXELS, 6)) * (rng.random((VOXELS, 6)) < 0.3)
    rows = 2 * weights @ courses + gaussian_filter1d(rng.normal(size=(VOXELS, VOLUMES)), 0.8, axis=1)
    if events is not None:
        responses = event_regressors(events, VOLUMES, TR, "spm").to_numpy().T
        rows[:27] += np.repeat(responses / responses.std(axis=1, keepdims=True), 9, axis=0)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def p_values():
    """p of event `a` in 60 runs without task: order of each run, and order of the training."""
    rng = np.random.default_rng(11)
    shared = task(rng)
    X = np.asfortranarray(np.concatenate([simulate(rng, shared) for _ in range(4)]).T, np.float32)
    learner = odl.Learner(odl.initial_dictionary(X, np.ones(X.shape[1], bool), ATOMS, 0), LAM, 64)
    learner.feed(X, 40)
    options = {"hrf": "spm", "highpass_s": 0, "count": 99, "rng": rng}
    common = make_nulls(shared, VOLUMES, TR, **options)["a"]
    found = []
    for _ in range(60):
        rows = simulate(rng)
        codes = odl.encode(np.asfortranarray(rows.T, np.float32), learner.dictionary, LAM).matrix
        courses = regress_courses(Rows(rows), codes)
        for null in (make_nulls(task(rng), VOLUMES, TR, **options)["a"], common):
            observed, chosen = null.best(courses)
            found.append(p_value(observed, chosen.pcc))
    return np.reshape(found, (60, 2))


def test_p_is_uniform_where_the_order_is_drawn_for_every_run(p_values):
    assert kstest(p_values[:, 0], "uniform").pvalue > 0.01


def test_a_group_dictionary_finds_the_order_of_its_training_where_there_is_no_task(p_values):
    """Which is why p decides nothing for group dictionaries where all runs share one order."""
    assert (p_values[:, 1] <= 0.05).mean() > 0.2
