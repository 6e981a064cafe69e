import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dca.model import build
from dca.train.flat import get_flat, set_flat
from dca.train.step import GradientStep


@pytest.fixture(scope="module")
def reference():
    path = Path(__file__).parents[1] / "model" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(2).standard_normal((7, 40)).astype(np.float32)


@pytest.mark.parametrize("switches", [True, False])
def test_the_gradient_is_that_of_eq_5_in_numpy(reference, tiny, batch, switches):
    a = replace(tiny, switches=switches, penalty=0.3)
    model = build(a, seed=4)
    gradient, losses = GradientStep(model, a.penalty)(batch)
    flat, x = get_flat(model).astype(np.float64), batch.astype(np.float64)
    assert losses.total == pytest.approx(reference.loss(a, flat, x), rel=1e-5)
    assert losses.total == losses.reconstruction + losses.feature
    random = np.random.default_rng(0)
    for _ in range(5):
        direction = random.standard_normal(flat.size)
        h = 1e-6
        slope = (reference.loss(a, flat + h * direction, x) - reference.loss(a, flat - h * direction, x)) / (
            2 * h
        )
        assert gradient @ direction == pytest.approx(slope, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("micro_batch", [1, 3, 6])
def test_micro_batches_add_up_to_the_whole(tiny, batch, micro_batch):
    model = build(tiny)
    whole, losses = GradientStep(model, tiny.penalty, 512)(batch)
    step = GradientStep(model, tiny.penalty, micro_batch)
    gradient, parts = step(batch)
    np.testing.assert_allclose(gradient, whole, atol=1e-5 * np.abs(whole).max())
    np.testing.assert_allclose(parts, losses, rtol=1e-6)
    np.testing.assert_allclose(step.evaluate(batch), losses, rtol=1e-6)


def test_a_target_behind_the_series_is_what_the_output_is_held_against(tiny, batch):
    model = build(tiny, seed=4)
    y = np.random.default_rng(3).standard_normal(batch.shape).astype(np.float32)
    plain = GradientStep(model, tiny.penalty)
    step = GradientStep(model, tiny.penalty, 3, targets=True)
    gradient, losses = step(np.hstack([batch, batch]))
    np.testing.assert_allclose(gradient, plain(batch)[0], atol=1e-5 * np.abs(gradient).max())
    output = model(batch).numpy().astype(np.float64)
    expected = losses.feature + 0.5 * ((y - output) ** 2).sum() / len(batch)
    paired = np.hstack([batch, y])
    assert step(paired)[1].total == pytest.approx(expected, rel=1e-5)
    assert step.evaluate(paired).total == pytest.approx(expected, rel=1e-5)
    flat = get_flat(model).astype(np.float64)
    direction = np.random.default_rng(0).standard_normal(flat.size)
    direction /= np.linalg.norm(direction)

    def loss(weights):
        set_flat(model, weights.astype(np.float32))
        return step.evaluate(paired).total

    h = 1e-2
    slope = (loss(flat + h * direction) - loss(flat - h * direction)) / (2 * h)
    set_flat(model, flat.astype(np.float32))
    assert step(paired)[0] @ direction == pytest.approx(slope, rel=0.02, abs=0.02)


def test_gradients_are_new_arrays_and_batch_sizes_make_no_new_graph(tiny, batch):
    step = GradientStep(build(tiny), tiny.penalty, 4)
    first, _ = step(batch)
    kept = first.copy()
    for size in (1, 3, 6):
        step(batch[:size])
    np.testing.assert_array_equal(first, kept)
    assert first.dtype == np.float32
    assert step._gradient.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("micro_batch", [2, 512])
def test_a_gradient_is_put_where_it_is_wanted(tiny, batch, micro_batch):
    step = GradientStep(build(tiny), tiny.penalty, micro_batch)
    place = np.full(step(batch)[0].shape, np.nan, np.float32)
    gradient, _ = step(batch, place)
    assert gradient is place
    np.testing.assert_array_equal(place, step(batch)[0])


def test_an_empty_batch_is_refused(tiny):
    with pytest.raises(ValueError, match="at least one row"):
        GradientStep(build(tiny), 0.0)(np.empty((0, 40), np.float32))
