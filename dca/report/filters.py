"""Filters of the encoder straight from the weights, without loading TensorFlow."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from dca.errors import ModelError
from dca.model.card import read_card

WEIGHTS = "model.weights.h5"


def encoder_filters(model_folder: str | Path) -> tuple[list[np.ndarray], float]:
    """Read the filters of the encoder's convolutions.

    Parameters
    ----------
    model_folder : path
        A folder written by `dca.model.save_model`.

    Returns
    -------
    filters : list of ndarray, float32, shape (length, inputs, features)
        From the first layer on.
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
            kernels = [file["encoder"][name]["vars/0"] for name in sorted(file["encoder"], key=_number)]
            filters = [kernel[()] for kernel in kernels if kernel.ndim == 3]
    except (OSError, KeyError) as error:
        raise ModelError(path, f"cannot be read ({error})", "train again") from error
    if not filters or filters[0].shape[1] != 1:  # one input channel: the series itself
        raise ModelError(path, "holds no first convolution", "train again")
    return filters, tr


def _number(name: str) -> int:
    """Place of a layer among its kind: 0 of ``conv1d``, 2 of ``conv1d_2``."""
    ending = name.rsplit("_", 1)[-1]
    return int(ending) if ending.isdigit() else 0
