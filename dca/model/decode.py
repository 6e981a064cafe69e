"""Dictionary atoms of features, brought back to signal space by the decoder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dca.model.autoencoder import Autoencoder
from dca.model.backend import tf

Matrix = NDArray[np.float32]


def decode_atoms(
    model: Autoencoder, atoms: Matrix, reference_norm: float, mean_h: Matrix | None = None
) -> Matrix:
    """Decode atoms learnt on codes H into time courses.

    An atom has no scale of its own, and the decoder is not linear, so each is first brought to the
    length of a typical code; what the decoder makes of no atom at all is subtracted. There are no
    switches for an atom: layers are up-sampled instead, as in the paper.

    Parameters
    ----------
    model : Autoencoder
    atoms : float32 array (hidden, K)
        Columns are atoms, with their sign already settled, since the decoder treats h and -h
        differently. A column of zeros stays one.
    reference_norm : float
        Typical Euclidean norm of a code, after `mean_h` is subtracted from it.
    mean_h : float32 array (hidden,), optional
        What was subtracted from the codes before learning; nothing by default.

    Returns
    -------
    float32 array (T, K)
        decode(mean_h + reference_norm · atom / ‖atom‖) − decode(mean_h)

    Raises
    ------
    ValueError
        If the atoms are not of the model's hidden size.
    """
    hidden = model.architecture.hidden
    if atoms.ndim != 2 or atoms.shape[0] != hidden:
        raise ValueError(f"expected atoms of shape ({hidden}, K), received {atoms.shape}")
    base = np.zeros(hidden, np.float32) if mean_h is None else np.asarray(mean_h, np.float32)
    norms = np.linalg.norm(atoms, axis=0)
    scaled = atoms * np.divide(reference_norm, norms, out=np.zeros_like(norms), where=norms > 0)
    decoded = model.decode(tf.constant(np.vstack([base, base + scaled.T]), tf.float32)).numpy()
    return np.ascontiguousarray((decoded[1:] - decoded[0]).T)
