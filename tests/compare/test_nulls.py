import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from scipy.ndimage import gaussian_filter1d
from scipy.stats import kstest

from dca.compare.nulls import corrected_p_values, make_nulls, p_value
from dca.compare.paradigm import read_paradigm
from dca.compare.pcc import standardise
from dca.glm.design import event_regressors
from dca.preprocess.highpass import filter_columns

TR, VOLUMES = 1.0, 200
NAMES = ["a", "b", "c", "d"]


def blocks(types, start=5.0, step=16.0, duration=10.0) -> pd.DataFrame:
    onsets = start + step * np.arange(len(types))
    return pd.DataFrame({"onset": onsets, "duration": duration, "trial_type": list(types)})


def nulls(events, count=200, seed=0, highpass_s=100.0, **options):
    rng = np.random.default_rng(seed)
    return make_nulls(events, VOLUMES, TR, hrf="spm", highpass_s=highpass_s, count=count, rng=rng, **options)


TASK = blocks("abcdacdbdbca")


@pytest.mark.parametrize("highpass_s", [0.0, 80.0])
def test_truth_is_the_design_of_the_glm(highpass_s):
    made = nulls(TASK, 3, highpass_s=highpass_s)
    design = filter_columns(event_regressors(TASK, VOLUMES, TR, "spm").to_numpy(), TR, highpass_s)
    for null, column in zip(made.values(), standardise(design).T, strict=True):
        assert null.truth @ column > 0.9999


def test_surrogates_are_designs_of_other_orders():
    made = nulls(TASK, 50, highpass_s=60)
    order = read_paradigm(TASK).draw_orders(50, np.random.default_rng(0))[7]
    redrawn = TASK.assign(trial_type=TASK["trial_type"].to_numpy()[order])
    design = filter_columns(event_regressors(redrawn, VOLUMES, TR, "spm").to_numpy(), TR, 60)
    for null, column in zip(made.values(), standardise(design).T, strict=True):
        assert null.kind == "order"
        assert null.regressors()[:, 7] @ column > 0.9999


def test_distinct_regressors_are_counted():
    made = nulls(TASK, 2000)
    assert {name: null.distinct for name, null in made.items()} == dict.fromkeys("abcd", 220)  # 12 over 3
    unique = np.unique(made["b"].regressors().round(6), axis=1)
    assert unique.shape[1] == 220


@pytest.mark.parametrize(
    ("events", "kinds"),
    [
        (blocks("a" * 10), {"a": "shift+phase"}),  # one periodic condition
        (blocks("ab" * 5), {"a": "shift+phase", "b": "shift+phase"}),  # strict alternation
        (blocks("aabb"), {"a": "shift+phase", "b": "shift+phase"}),  # six orders
        (
            blocks("abcdbcdbcd"),
            {"a": "shift+phase", "b": "order", "c": "order", "d": "order"},
        ),  # `a` only once
        (
            blocks("xaxbxcxcxbxa", step=14),
            {"a": "shift+phase", "b": "shift+phase", "c": "shift+phase", "x": "shift+phase"},
        ),
        (
            blocks(np.array(["x", "a", "x", "b", "x", "c"] * 3), step=10, duration=3),
            {"a": "order", "b": "order", "c": "order", "x": "shift+phase"},
        ),
    ],
)
def test_shifts_where_orders_are_too_few(events, kinds):
    made = nulls(events, 20)
    assert {name: null.kind for name, null in made.items()} == kinds
    for null in made.values():
        assert null.regressors().shape[1] == (20 if null.kind == "order" else VOLUMES - 1)


def test_shifts_are_circular_and_filtered_afterwards():
    null = nulls(blocks("a" * 10), 5, highpass_s=60)["a"]
    raw = event_regressors(blocks("a" * 10), VOLUMES, TR, "spm")["a"].to_numpy()
    rolled = filter_columns(np.roll(raw, 13)[:, None], TR, 60)
    assert null.regressors()[:, 12] @ standardise(rolled)[:, 0] > 0.9999
    assert null.distinct == VOLUMES - 1


def test_crop_comes_last():
    whole, cropped = nulls(TASK, 10)["a"], nulls(TASK, 10, length=150)["a"]
    np.testing.assert_allclose(cropped.regressors(), standardise(whole.regressors()[:150]), atol=1e-12)


def test_a_line_is_taken_out_after_the_crop_and_before_volumes_are_left_out():
    kept = np.arange(150) % 7 > 0
    cropped = nulls(TASK, 10, length=150)["a"].regressors()
    line = nulls(TASK, 10, length=150, detrended=True, kept=kept)["a"].regressors()
    straight = signal.detrend(cropped, axis=0)[kept]
    np.testing.assert_allclose(line, standardise(straight), atol=1e-12)


def test_same_seed_same_surrogates():
    first, again, other = nulls(TASK, 20), nulls(TASK, 20), nulls(TASK, 20, seed=1)
    np.testing.assert_array_equal(first["a"].regressors(), again["a"].regressors())
    assert not np.allclose(first["a"].regressors(), other["a"].regressors())


def test_an_atom_that_is_the_event_is_found_and_ties_count():
    null = nulls(TASK, 999, seed=1)["a"]
    observed, chosen = null.best(null.truth[:, None] * [-3.0])
    assert observed == pytest.approx(1)
    itself = (null.regressors().T @ null.truth > 1 - 1e-9).sum()
    assert itself > 0
    assert p_value(observed, chosen.pcc) == (1 + itself) / 1000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_best_does_not_depend_on_sign_scale_or_order_of_atoms(seed, scale):
    rng = np.random.default_rng(seed)
    atoms = rng.normal(size=(VOLUMES, 7))
    signs = rng.choice([-scale, scale], 7)
    null = SMALL["b"]
    observed, chosen = null.best(atoms)
    changed = null.best((atoms * signs)[:, rng.permutation(7)])
    np.testing.assert_allclose(changed[0], observed)
    np.testing.assert_allclose(changed[1].pcc, chosen.pcc)
    assert (null.best(np.column_stack([atoms, atoms[:, ::-1] + 1]))[1].pcc >= chosen.pcc).all()


SMALL = nulls(TASK, 20)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0, 1))
def test_p_is_never_zero_and_at_most_one(surrogates, observed):
    p = p_value(observed, np.array(surrogates))
    assert 1 / (len(surrogates) + 1) <= p <= 1
    assert p_value(2.0, np.array(surrogates)) == 1 / (len(surrogates) + 1)


def p_of(null, atoms, kind=None):
    observed, chosen = null.best(atoms, kind)
    return p_value(observed, chosen.pcc)


def smooth_noise(rng, atoms):
    return gaussian_filter1d(rng.normal(size=(VOLUMES, atoms)), 2, axis=0)


def test_p_is_uniform_for_atoms_that_know_nothing_of_the_task():
    """Smooth atoms, and the true order drawn anew for every run."""
    rng = np.random.default_rng(0)
    p = []
    for _ in range(120):
        events = blocks(rng.permutation(list("abcd" * 3)))
        null = make_nulls(events, VOLUMES, TR, hrf="spm", highpass_s=0, count=199, rng=rng)["a"]
        p.append(p_of(null, smooth_noise(rng, 30)))
    assert kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.08


@pytest.mark.parametrize(("events", "largest"), [(TASK, 0.02), (blocks("ab" * 5), 0.1)])
def test_an_atom_with_the_task_is_told_from_noise(events, largest):
    rng = np.random.default_rng(1)
    null = nulls(events)["a"]
    atoms = smooth_noise(rng, 50)
    atoms[:, 31] += 15 * null.truth
    assert p_of(null, atoms) <= largest
    if "phase" in null.surrogates:
        assert p_of(null, atoms, "phase") <= 0.02


def test_random_phases_keep_spectra_and_what_events_have_in_common():
    made = nulls(blocks("aabb"), 30, highpass_s=0)
    for null in made.values():
        power = np.abs(np.fft.rfft(null.regressors("phase"), axis=0))
        np.testing.assert_allclose(power, np.abs(np.fft.rfft(null.truth))[:, None] * np.ones(30), atol=1e-9)
        assert np.abs(null.truth @ null.regressors("phase")).max() < 0.99
    together = np.einsum("ts,ts->s", made["a"].regressors("phase"), made["b"].regressors("phase"))
    np.testing.assert_allclose(together, made["a"].truth @ made["b"].truth, atol=1e-9)


def test_random_phases_pass_the_filter():
    plain, filtered = (nulls(blocks("aabb"), 5, highpass_s=cut)["a"].regressors("phase") for cut in (0, 60))
    np.testing.assert_allclose(filtered, standardise(filter_columns(plain, TR, 60)), atol=1e-6)


def test_correction_over_events():
    rng = np.random.default_rng(2)
    draws = [[rng.normal(0.3 * i, 1 + i, 500)] for i in range(5)]
    draws[4].append(rng.normal(size=80))
    observed = [2.5, 0.3, 8.0, 0.9, 3.0]
    raw = np.array(
        [max(p_value(x, kind) for kind in kinds) for x, kinds in zip(observed, draws, strict=True)]
    )
    corrected = corrected_p_values(observed, draws)
    assert (corrected >= raw).all() and (corrected[[1, 3]] > raw[[1, 3]]).all()
    assert corrected[2] == pytest.approx(1 - (1 - raw[2]) ** 5, abs=0.03)  # independent events
    scaled = corrected_p_values([7 * x for x in observed], [[7 * kind for kind in kinds] for kinds in draws])
    np.testing.assert_allclose(scaled, corrected)
    alone = [kinds[0] for kinds in draws[:1]]
    assert corrected_p_values(observed[:1], [alone])[0] == p_value(observed[0], alone[0])
    assert corrected_p_values([], []).size == 0


def test_corrected_p_keeps_its_level():
    """Of runs that know nothing of the task about one in ten has any event with corrected p <= 0.1."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(100):
        events = blocks(rng.permutation(list("abcd" * 3)))
        made = make_nulls(events, VOLUMES, TR, hrf="spm", highpass_s=0, count=99, rng=rng).values()
        atoms = smooth_noise(rng, 10)
        best = [null.best(atoms) for null in made]
        found.append(corrected_p_values([x for x, _ in best], [[c.pcc] for _, c in best]).min() <= 0.1)
    assert 0.02 <= np.mean(found) <= 0.2  # within about three binomial standard deviations
