"""First-layer filters straight from the weights, without loading TensorFlow."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from dca.errors import ModelError
from dca.model.card import read_card

WEIGHTS = "model.weights.h5"


def first_layer_filters(model_folder: str | Path) -> tuple[np.ndarray, float]:
    """Read the filters of the encoder's first convolution.

    Parameters
    ----------
    model_folder : path
        A folder written by `dca.model.save_model`.

    Returns
    -------
    filters : ndarray, float32, shape (length, features)
    tr : float
        Repetition time in seconds of the data it was trained on, 1 where the card does not say.

    Raises
    ------
    ModelError
        If the folder is not that of a model, or its weights hold no such layer.
    """
    path = Path(model_folder) / WEIGHTS
    tr = float(read_card(model_folder).get("tr") or 1.0)
    try:
        with h5py.File(path, "r", locking=False) as file:
            layers = file["encoder"]
            for name in sorted(layers):
                kernel = layers[name]["vars/0"]
                if kernel.ndim == 3 and kernel.shape[1] == 1:  # one input channel: the series itself
                    return kernel[:, 0, :], tr
    except (OSError, KeyError) as error:
        raise ModelError(path, f"cannot be read ({error})", "train again") from error
    raise ModelError(path, "holds no first convolution", "train again")
