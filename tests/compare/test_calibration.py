"""A dictionary of runs with a task, applied to runs without it; `benchmarks/calibration.py` has more."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import kstest

from dca.compare.halves import effect_weights, halve
from dca.compare.nulls import make_nulls
from dca.compare.others import Reference
from dca.compare.scores import Run, Setup, score_setup
from dca.compare.voxels import VoxelSums
from dca.decompose import odl
from dca.decompose.courses import regress_courses
from dca.glm.design import event_regressors

from .test_halves import ALL, CONSTANT, Rows
from .test_nulls import TR, VOLUMES, blocks

VOXELS, ATOMS, LAM, RUNS = 80, 16, 0.2, 60
P = ("p", "heldout_p", "heldout_r_p", "others_r_p")


def task(rng):
    return blocks(rng.permutation(list("abc" * 4)))


def simulate(rng, events=None):
    """Z-scored series (N, T): networks at the same places in all runs, noise, a task in a third of voxels."""
    places = np.random.default_rng(3)
    courses = gaussian_filter1d(rng.normal(size=(6, VOLUMES)), 2.5, axis=1)
    weights = places.normal(size=(VOXELS, 6)) * (places.random((VOXELS, 6)) < 0.3)
    rows = 2 * weights @ courses + gaussian_filter1d(rng.normal(size=(VOXELS, VOLUMES)), 0.8, axis=1)
    if events is not None:
        responses = event_regressors(events, VOLUMES, TR, "spm").to_numpy().T
        rows[:27] += np.repeat(responses / responses.std(axis=1, keepdims=True), 9, axis=0)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def effect_map(rows, null):
    return rows @ effect_weights(null.design.T[:, :, None], null.event, CONSTANT)[0]


def score(null, sums, part, other):
    """Scores of event `a` as `dca compare` gives them; its map in another run is `other`."""
    maps, others = {"a": other}, {"a": Reference(other, 1)}
    run = Run({"a": null}, halve(VOLUMES), null.truth[:, None], CONSTANT, sums, maps, others)
    return score_setup(run, "raw-group", part)[0]


@pytest.fixture(scope="module")
def p_values():
    """By design, p of event `a` in runs without task: order of each run, and order of the training."""
    rng = np.random.default_rng(11)
    shared = task(rng)
    X = np.asfortranarray(np.concatenate([simulate(rng, shared) for _ in range(4)]).T, np.float32)
    learner = odl.Learner(odl.initial_dictionary(X, np.ones(X.shape[1], bool), ATOMS, 0), LAM, 64)
    learner.feed(X, 40)
    options = {"hrf": "spm", "highpass_s": 0, "count": 99, "rng": rng}
    common = make_nulls(shared, VOLUMES, TR, **options)["a"]
    runs = [(simulate(rng), make_nulls(task(rng), VOLUMES, TR, **options)["a"]) for _ in range(RUNS)]
    found = {"own": [], "training": []}
    for (rows, own), (others, theirs) in zip(runs, runs[1:] + runs[:1], strict=True):
        codes = odl.encode(np.asfortranarray(rows.T, np.float32), learner.dictionary, LAM).matrix
        part = Setup(regress_courses(Rows(rows), codes), codes)
        sums = VoxelSums(Rows(rows), {"raw-group": codes}, ALL)
        found["own"].append(score(own, sums, part, effect_map(others, theirs)))
        found["training"].append(score(common, sums, part, effect_map(others, common)))
    # Without a score where all events are in one half.
    return {design: pd.DataFrame(scores)[list(P)] for design, scores in found.items()}


@pytest.mark.parametrize("p", P)
def test_p_is_uniform_where_the_order_is_drawn_for_every_run(p_values, p):
    assert kstest(p_values["own"][p].dropna(), "uniform").pvalue > 0.01


def test_a_group_dictionary_finds_the_order_of_its_training_where_there_is_no_task(p_values):
    """Which is why p decides nothing for group dictionaries where all runs share one order."""
    assert (p_values["training"]["p"] <= 0.05).mean() > 0.2


def test_maps_of_other_runs_do_not_find_a_task_that_is_not_there(p_values):
    """Not even where all runs share the order that the dictionary knows: verdicts go by this p then."""
    p = p_values["training"]["others_r_p"]
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01
    assert (p <= 0.05).mean() < 0.2
