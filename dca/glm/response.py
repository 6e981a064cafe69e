"""The hemodynamic response to single events, and the times at which volumes are taken."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dca.errors import ConfigError

SLICE_TIME_REF = 0.5  # a volume stands for the middle of its acquisition, as in FSL and SPM
OVERSAMPLING = 50  # nilearn's default: the response is sampled every TR / 50
MODELS = ("spm", "glover")


def frame_times(volumes: int, tr: float) -> np.ndarray:
    """Time that each volume stands for, in seconds from the start of the run, shape (volumes,)."""
    return (np.arange(volumes) + SLICE_TIME_REF) * tr


def check_model(hrf: str) -> None:
    """Refuse an unknown response model.

    Raises
    ------
    ConfigError
        If `hrf` is none of `MODELS`.
    """
    if hrf not in MODELS:
        raise ConfigError("glm.hrf", f"unknown response model `{hrf}`", f"choose one of {', '.join(MODELS)}")


def block_response(onsets: np.ndarray, pattern: np.ndarray, volumes: int, tr: float, hrf: str) -> np.ndarray:
    """Response to a group of events, placed at many onsets at once.

    The response to one event is the response to a step at its onset less that to a step at its end, so
    one table of the step response serves all events. It agrees with nilearn's regressors up to nilearn's
    rounding of onsets to TR / 50.

    Parameters
    ----------
    onsets : ndarray, shape (S,)
        Where the group starts, in seconds.
    pattern : ndarray, shape (n, 2)
        Onset relative to the group's start, and duration, of each of its events, in seconds. A duration
        of 0 counts as TR / 50, as in nilearn.
    volumes : int
    tr : float
        In seconds.
    hrf : str
        ``spm`` or ``glover``.

    Returns
    -------
    ndarray, float64, shape (S, volumes)
    """
    step = tr / OVERSAMPLING
    grid, table = _step_response(hrf, tr)
    times = frame_times(volumes, tr)
    total = np.zeros((len(onsets), volumes))
    for start, duration in pattern:
        since = times - (np.asarray(onsets)[:, None] + start)
        total += np.interp(since, grid, table) - np.interp(since - max(duration, step), grid, table)
    return total


@lru_cache(maxsize=8)
def _step_response(hrf: str, tr: float) -> tuple[np.ndarray, np.ndarray]:
    """Tabulate the response to a step: seconds since the step, and the response; constant outside."""
    # Imported here, as in all of this stage: nilearn takes seconds, and the workflow asks for names only.
    from nilearn.glm.first_level import hemodynamic_models

    check_model(hrf)
    model = {"spm": hemodynamic_models.spm_hrf, "glover": hemodynamic_models.glover_hrf}[hrf]
    step = tr / OVERSAMPLING
    table = np.concatenate([[0.0], np.cumsum(model(tr, OVERSAMPLING))])
    return (np.arange(len(table)) - 1) * step, table
