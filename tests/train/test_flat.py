import keras
import numpy as np
import pytest

from dca.model import build
from dca.train.flat import get_flat, n_parameters, set_flat


def test_round_trip_in_the_order_of_the_variables(tiny):
    model = build(tiny)
    vector = np.random.default_rng(0).standard_normal(n_parameters(model)).astype(np.float32)
    set_flat(model, vector)
    np.testing.assert_array_equal(get_flat(model), vector)
    np.testing.assert_array_equal(
        np.concatenate([v.numpy().ravel() for v in model.trainable_variables]), vector
    )


def test_the_vector_may_change_afterwards(tiny):
    model = build(tiny)
    vector = np.ones(n_parameters(model), np.float32)
    set_flat(model, vector)
    vector[:] = 2
    assert (get_flat(model) == 1).all()


def test_any_keras_model_will_do_and_frozen_parameters_stay():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.layers[0].trainable = False
    assert n_parameters(model) == 3
    before = model.layers[0].get_weights()[0]
    set_flat(model, np.arange(3, dtype=np.float32))
    np.testing.assert_array_equal(model.layers[1].get_weights()[1], [2])
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], before)


def test_a_vector_of_another_size_is_refused(tiny):
    with pytest.raises(ValueError, match="parameters"):
        set_flat(build(tiny), np.zeros(3, np.float32))
