"""Signals of white matter and fluid: their means, and aCompCor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dca.preprocess.regress import cosine_drift

COMPONENTS = 5  # Behzadi et al. 2007


def tissue_signals(
    tissue: Mapping[str, np.ndarray], *, tr: float, highpass_s: float
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Confounds from tissue that has no neurons.

    aCompCor (Behzadi et al. 2007, NeuroImage 37:90): the first principal components of the series in
    both tissues, each with drift (cosines as in `dca.preprocess.regress`) taken out and unit variance.

    Parameters
    ----------
    tissue : mapping
        ``csf`` and ``white_matter`` to series, float32, shape (T, N); an empty one gives no column.
    tr, highpass_s : float
        In seconds; cosines down to periods of `highpass_s`, 0 = none.

    Returns
    -------
    columns : dict of ndarray, float64, shape (T,)
        ``csf``, ``white_matter``: means. ``a_comp_cor_00`` …: components with unit norm, the largest first.
    described : dict
        Descriptions of the columns, those of components with the metadata that fMRIPrep writes.
    """
    known = {name: series for name, series in tissue.items() if series.shape[1]}
    columns = {name: series.mean(axis=1, dtype=np.float64) for name, series in known.items()}
    described: dict[str, Any] = {name: f"Mean of {WORDS[name]}, image units" for name in known}
    if not known:
        return columns, described
    series = np.hstack(list(known.values())).astype(np.float64)
    series -= series.mean(axis=0)
    drift = cosine_drift(len(series), tr, highpass_s)
    if drift.shape[1]:
        drift = drift - drift.mean(axis=0)
        series -= drift @ np.linalg.lstsq(drift, series, rcond=None)[0]
    spread = series.std(axis=0)
    series = series[:, spread > 0] / spread[spread > 0]
    left, sizes, _ = np.linalg.svd(series, full_matrices=False)
    explained = sizes**2 / (sizes**2).sum()
    total = 0.0
    for number in range(min(COMPONENTS, int((sizes > 1e-9 * sizes.max(initial=0)).sum()))):
        name = f"a_comp_cor_{number:02d}"
        component = left[:, number]
        columns[name] = component * (np.sign(component[np.abs(component).argmax()]) or 1.0)
        total += float(explained[number])
        described[name] = {
            "Description": "Principal component of white matter and fluid (aCompCor, Behzadi et al. 2007)",
            "Method": "aCompCor",
            "Mask": "combined",
            "Retained": True,
            "SingularValue": float(sizes[number]),
            "VarianceExplained": float(explained[number]),
            "CumulativeVarianceExplained": total,
        }
    return columns, described


WORDS = {"csf": "fluid in the ventricles", "white_matter": "white matter"}
