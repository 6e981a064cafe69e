"""All trainable parameters of a model as one flat vector, the form in which they travel."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from dca.model.backend import keras, tf

Vector = NDArray[np.float32]

_setters: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def n_parameters(model: keras.Model) -> int:
    """Count the trainable parameters, P."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def get_flat(model: keras.Model) -> Vector:
    """Copy the trainable parameters into one vector.

    Parameters
    ----------
    model : keras.Model
        Any built model.

    Returns
    -------
    float32 array (P,)
        The variables of ``model.trainable_variables`` in that order, each in C order.
    """
    flat = np.empty(n_parameters(model), np.float32)
    start = 0
    for variable in model.trainable_variables:
        values = variable.numpy().ravel()
        flat[start : start + values.size] = values
        start += values.size
    return flat


def set_flat(model: keras.Model, vector: Vector) -> None:
    """Assign the trainable parameters from one vector; the inverse of `get_flat`.

    Parameters
    ----------
    model : keras.Model
        Any built model.
    vector : float32 array (P,)
        May be a view of shared memory: it is copied before this returns.

    Raises
    ------
    ValueError
        If the vector has not P elements.
    """
    if vector.shape != (n_parameters(model),):
        raise ValueError(f"expected {n_parameters(model)} parameters, received {vector.shape}")
    if model not in _setters:
        _setters[model] = _make_setter(model)
    _setters[model](tf.convert_to_tensor(vector, tf.float32))


def _make_setter(model: keras.Model) -> Any:
    """One graph that assigns every variable its slice, several times faster than eager assigns."""
    # The resource variables, not the model: a reference back to the key would keep it alive.
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function(autograph=False)
    def assign(vector: Any) -> None:
        start = 0
        for variable in variables:
            size = variable.shape.num_elements()
            variable.assign(tf.reshape(vector[start : start + size], variable.shape))
            start += size

    return assign
