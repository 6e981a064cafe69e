"""The design matrix of one run: events, confounds and drift, filtered as the data."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from dca.errors import EventsError
from dca.glm.response import OVERSAMPLING, check_model, frame_times
from dca.preprocess.highpass import filter_columns
from dca.preprocess.regress import cosine_drift
from dca.signals.line import centred_times, without_line

CONSTANT = "constant"
LINE = "drift_0"  # the cosines count from 1
INDEPENDENT = 1e-4  # share of a column's norm that the columns before it must leave unexplained
VARIES = 1e-6  # range of a column that counts as variation, relative to its largest value

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Design:
    """A design matrix and what its columns are.

    Attributes
    ----------
    table : DataFrame, shape (T, P)
        Events, confounds, drift and constant, in this order.
    events, confounds, drifts : tuple of str
        Names of the columns of each kind; `drifts` without the constant.
    dropped : dict
        Column left out → why.
    """

    table: pd.DataFrame
    events: tuple[str, ...]
    confounds: tuple[str, ...]
    drifts: tuple[str, ...]
    dropped: dict[str, str] = field(default_factory=dict)

    def collinearity(self) -> tuple[float, tuple[str, str]] | None:
        """Largest absolute correlation between two events, and which they are; None for one event."""
        if len(self.events) < 2:
            return None
        unit = _unit(self.table[list(self.events)].to_numpy())
        between = np.triu(np.abs(unit.T @ unit), k=1)
        first, second = np.unravel_index(between.argmax(), between.shape)
        return float(between.max()), (self.events[first], self.events[second])


def event_regressors(events: pd.DataFrame, volumes: int, tr: float, hrf: str) -> pd.DataFrame:
    """Convolve the events with the response model, by nilearn, without any filter.

    Parameters
    ----------
    events : DataFrame
        Columns ``onset`` and ``duration`` in seconds, ``trial_type``.
    volumes : int
    tr : float
        In seconds.
    hrf : str
        ``spm`` or ``glover``.

    Returns
    -------
    DataFrame, float64, shape (volumes, E)
        One column per event, in order of name.
    """
    from nilearn.glm.first_level import make_first_level_design_matrix

    check_model(hrf)
    with warnings.catch_warnings():
        # Events without duration are valid (impulses), and nilearn would say so at every call.
        warnings.filterwarnings("ignore", message="(?s).*null duration")
        table = make_first_level_design_matrix(
            frame_times(volumes, tr),
            events[["onset", "duration", "trial_type"]],
            hrf_model=hrf,
            drift_model=None,
            oversampling=OVERSAMPLING,
        )
    return table.drop(columns=CONSTANT).reset_index(drop=True)


def make_design(
    events: pd.DataFrame,
    volumes: int,
    tr: float,
    *,
    hrf: str = "spm",
    confounds: pd.DataFrame | None = None,
    highpass_s: float = 100,
    filtered: bool = True,
    length: int | None = None,
    operator: np.ndarray | None = None,
    detrended: bool = False,
    kept: np.ndarray | None = None,
    subject: str | Path = "events",
) -> Design:
    """Build the design matrix of one run.

    If the data passed our high-pass filter, events and confounds pass the same one, over the full length
    of the run, and there are no drift columns. Otherwise the drift is still in the data, and cosines up
    to 1 / `highpass_s` take it up in the fit. Where the data lost a line, so do events and confounds, and the
    line is a column: the fit is that of the data that still have it.

    Parameters
    ----------
    events : DataFrame
        Columns ``onset`` and ``duration`` in seconds, ``trial_type``.
    volumes : int
        Length of the run when it was filtered.
    tr : float
        In seconds.
    hrf : str
        ``spm`` or ``glover``.
    confounds : DataFrame, optional
        One row per volume, finite.
    highpass_s : float
        Cut-off in seconds; 0 is no filter and no drift columns.
    filtered : bool
        Whether the data passed our filter with this cut-off.
    length : int, optional
        Volumes kept after filtering, from the first on; default all.
    operator : ndarray, shape (volumes, volumes), optional
        What took confounds and drift out of the data (`dca.preprocess.regress`). Events pass it instead of
        the filter; the confounds and cosines themselves are columns too, for the degrees of freedom.
    detrended : bool
        Whether the data lost a line over the volumes that were kept, after the filter.
    kept : ndarray, bool, shape (volumes,), optional
        False at censored volumes, which the fit will leave out.
    subject : path
        What to name in errors: the events file.

    Returns
    -------
    Design
        Confounds and drifts that are constant or explained by the columns before them are dropped.

    Raises
    ------
    EventsError
        If an event has no response within the run, events cannot be told apart, an event bears the name
        of another column, or there are too few volumes.
    """
    length = volumes if length is None else length
    nuisance = pd.DataFrame(index=range(volumes))
    if confounds is not None:
        nuisance = confounds.set_axis(nuisance.index).astype(float)
    filtered = filtered and operator is None
    # Those that the operator took out lie over the whole run.
    drifts = _drifts(length if operator is None else volumes, tr, 0 if filtered else highpass_s)[:length]
    if detrended:
        times = centred_times(length)
        drifts.insert(0, LINE, times / np.linalg.norm(times))
    clashes = sorted({*events["trial_type"]} & {*nuisance, *drifts, CONSTANT})
    if clashes:
        raise EventsError(subject, f"event `{clashes[0]}` has the name of a confound or drift", "rename it")
    regressors = event_regressors(events, volumes, tr, hrf)
    names = list(map(str, regressors))
    rows = np.arange(length) if kept is None else np.flatnonzero(kept[:length])
    _refuse_silent(regressors.iloc[rows], subject)
    # Looked for before the filter, which leaves rounding noise where there was nothing.
    flat = [str(name) for name in nuisance if not _varies(nuisance[name].iloc[rows])]
    joint = pd.concat([regressors, nuisance.drop(columns=flat)], axis=1)
    if filtered:
        joint[:] = filter_columns(joint.to_numpy(), tr, highpass_s)
    if operator is not None:
        joint[names] = operator @ joint[names].to_numpy()
    joint = joint.iloc[:length]
    if detrended:
        joint = pd.DataFrame(without_line(joint.to_numpy()), columns=joint.columns)
    joint = pd.concat([joint, drifts], axis=1)
    _refuse_collinear(joint[names].iloc[rows], subject)
    chosen = _independent(joint.iloc[rows], len(names))
    redundant = [str(name) for name in joint if name not in chosen]
    dropped = dict.fromkeys(flat, "constant") | dict.fromkeys(redundant, "explained by other columns")
    if dropped:
        log.warning("%s: left out of the design: %s", subject, ", ".join(dropped))
    table = joint[chosen].assign(**{CONSTANT: 1.0})
    if len(rows) <= table.shape[1]:
        problem = f"{table.shape[1]} regressors for {len(rows)} volumes leave no degrees of freedom"
        raise EventsError(subject, problem, "use a longer run or fewer regressors")
    return Design(
        table,
        events=tuple(names),
        confounds=tuple(name for name in chosen if name in nuisance),
        drifts=tuple(name for name in chosen if name in drifts),
        dropped=dropped,
    )


def _drifts(length: int, tr: float, highpass_s: float) -> pd.DataFrame:
    """Cosines up to 1 / `highpass_s`, without the constant."""
    cosines = cosine_drift(length, tr, highpass_s)
    return pd.DataFrame(cosines, columns=[f"drift_{k + 1}" for k in range(cosines.shape[1])])


def _refuse_silent(regressors: pd.DataFrame, subject: str | Path) -> None:
    silent = [name for name in regressors if not _varies(regressors[name])]
    if silent:
        problem = f"no response to `{silent[0]}` falls within the {len(regressors)} volumes"
        raise EventsError(subject, problem, "correct its onsets or remove it")


def _refuse_collinear(regressors: pd.DataFrame, subject: str | Path) -> None:
    unit = _unit(regressors.to_numpy())
    for i, name in enumerate(regressors):
        others = np.delete(unit, i, axis=1)
        if others.size and _unexplained(unit[:, i], others) < INDEPENDENT:
            nearest = np.abs(others.T @ unit[:, i]).argmax()
            other = regressors.columns.delete(i)[nearest]
            problem = f"the response to `{name}` is a sum of those to other events, such as `{other}`"
            raise EventsError(subject, problem, "merge them, or leave one out")


def _independent(table: pd.DataFrame, first: int) -> list[str]:
    """Choose the columns that those before do not explain; the `first` ones are taken as given."""
    unit = _unit(table.to_numpy())
    kept = list(range(first))
    for i in range(first, unit.shape[1]):
        if _unexplained(unit[:, i], unit[:, kept]) >= INDEPENDENT:
            kept.append(i)
    return [str(table.columns[i]) for i in kept]


def _varies(column: pd.Series) -> bool:
    return bool(np.ptp(column) > VARIES * np.abs(column).max())


def _unit(columns: np.ndarray) -> np.ndarray:
    """Centre columns, which vary, and scale them to unit norm."""
    centred = columns - columns.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=0)


def _unexplained(unit: np.ndarray, basis: np.ndarray) -> float:
    """Norm of what a least-squares fit on `basis` leaves of a column of unit norm."""
    return float(np.linalg.norm(unit - basis @ np.linalg.lstsq(basis, unit, rcond=None)[0]))
