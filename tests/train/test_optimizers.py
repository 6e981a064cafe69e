import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.train.optimizers import OPTIMIZERS, Adagrad, clip, new_state, norm

KERAS = {
    "adagrad": lambda rate: keras.optimizers.Adagrad(rate, initial_accumulator_value=0.1, epsilon=0.0),
    "sgd": lambda rate: keras.optimizers.SGD(rate),
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "adam": lambda rate: keras.optimizers.Adam(rate),
}
NAMES = sorted(OPTIMIZERS)


def make(name="adagrad", size=10, rate=0.1, ramp=0, updates=0, threads=1):
    return OPTIMIZERS[name](np.zeros(size, np.float32), new_state(name, size), rate, ramp, updates, threads)


@settings(deadline=None)
@given(size=st.sampled_from([1, 100, 32_768, 80_000]), seed=st.integers(0, 99), threads=st.integers(1, 3))
def test_adagrad_is_eq_6(size, seed, threads):
    random = np.random.default_rng(seed)
    start = random.standard_normal(size).astype(np.float32)
    gradients = random.standard_normal((3, size)).astype(np.float32)
    optimizer = Adagrad(start.copy(), new_state("adagrad", size), 0.1, 0, threads=threads)
    w, total = start.astype(np.float64), np.full(size, 0.1)
    for gradient in gradients:
        optimizer.apply(gradient)
        total += gradient.astype(np.float64) ** 2
        w -= 0.1 * gradient / np.sqrt(total)
    np.testing.assert_allclose(optimizer.weights, w, atol=1e-5)
    np.testing.assert_allclose(optimizer.state["accumulator"], total, rtol=1e-5)
    assert optimizer.updates == 3


@pytest.mark.parametrize("name", NAMES)
def test_they_agree_with_keras(name):
    variable = keras.Variable(np.ones(5, np.float32))
    theirs = KERAS[name](0.05)
    ours = OPTIMIZERS[name](np.ones(5, np.float32), new_state(name, 5), 0.05, 0)
    for step in range(6):
        gradient = np.linspace(-1, 1, 5, dtype=np.float32) * (step % 3 + 1)
        theirs.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        ours.apply(gradient)
    np.testing.assert_allclose(ours.weights, variable.numpy(), atol=5e-6)


@pytest.mark.parametrize("name", NAMES)
def test_threads_and_interruptions_change_no_bit(name):
    gradients = np.random.default_rng(0).standard_normal((4, 70_000)).astype(np.float32)
    plain = make(name, 70_000, ramp=3)
    for gradient in gradients:
        plain.apply(gradient)
    first = make(name, 70_000, ramp=3, threads=3)
    for gradient in gradients[:2]:
        first.apply(gradient)
    second = OPTIMIZERS[name](first.weights, first.state, 0.1, 3, first.updates)
    for gradient in gradients[2:]:
        second.apply(gradient)
    np.testing.assert_array_equal(second.weights, plain.weights)


@pytest.mark.parametrize("name", NAMES)
def test_the_caller_s_buffers_are_changed_in_place_and_the_gradient_is_not(name):
    memory, gradient = bytearray(4 * 6), np.ones(6, np.float32)
    OPTIMIZERS[name](np.frombuffer(memory, np.float32), new_state(name, 6), 0.1, 0).apply(gradient)
    assert (np.frombuffer(memory, np.float32) < 0).all()
    np.testing.assert_array_equal(gradient, 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threads", [1, 3])
def test_weights_may_move_with_every_update_and_those_before_stay(name, threads):
    size = 300_000
    gradients = np.random.default_rng(1).standard_normal((5, size)).astype(np.float32)
    places = [np.full(size, np.nan, np.float32) for _ in range(2)]
    still, moving = make(name, size), make(name, size, threads=threads)
    start = moving.weights
    for place, gradient in zip((places[0], places[1], None, start, places[0]), gradients, strict=True):
        before, was = moving.weights, moving.weights.copy()
        still.apply(gradient)
        moving.apply(gradient, place)
        assert moving.weights is (before if place is None else place)
        if place is not None:
            np.testing.assert_array_equal(before, was)
        np.testing.assert_array_equal(moving.weights, still.weights)


def test_gradients_in_16_bits_are_taken_as_they_are():
    gradient = np.linspace(-2, 2, 70_000).astype(np.float16)
    short, long = make(size=70_000), make(size=70_000)
    short.apply(gradient)
    long.apply(gradient.astype(np.float32))
    np.testing.assert_array_equal(short.weights, long.weights)


def test_the_ramp_rises_linearly_and_goes_on_after_a_checkpoint():
    optimizer = make(rate=1.0, ramp=4)
    rates = []
    for _ in range(6):
        rates.append(optimizer.rate)
        optimizer.apply(np.ones(10, np.float32))
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert make(rate=1.0, ramp=4, updates=2).rate == 0.75
    assert make(rate=1.0, ramp=0).rate == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e20])
def test_gradients_that_would_spoil_the_state_are_found(bad):
    gradient = np.ones(80_000, np.float32)
    assert norm(gradient) == pytest.approx(np.sqrt(80_000)) and clip(gradient, None)
    gradient[-1] = bad
    assert not np.isfinite(norm(gradient)) and not clip(gradient, 1.0)


@settings(deadline=None)
@given(st.floats(0.1, 100))
def test_clipping_keeps_the_direction(limit):
    gradient = np.array([3, 4], np.float32)
    assert clip(gradient, limit)
    assert norm(gradient) == pytest.approx(min(5, limit), rel=1e-5)
    assert gradient[1] / gradient[0] == pytest.approx(4 / 3, rel=1e-5)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="accumulator"):
        Adagrad(np.zeros(3, np.float32), new_state("adagrad", 4), 0.1, 0)
    with pytest.raises(ValueError, match="weights"):
        Adagrad(np.zeros(3), new_state("adagrad", 3), 0.1, 0)
    with pytest.raises(ValueError, match="gradient"):
        make(size=3).apply(np.zeros(2, np.float32))
