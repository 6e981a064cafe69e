"""Null distributions of the best correlation: the whole selection, repeated on surrogate designs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dca.compare.paradigm import Paradigm, read_paradigm
from dca.compare.pcc import BestAtoms, best_atoms, standardise
from dca.glm.response import block_response
from dca.preprocess.highpass import filter_columns
from dca.signals.line import without_line

MIN_ORDERS = 200  # a task with fewer orders is compared with shifts and phases
# Not 200 places: orders are valid with few, if coarse; shifts and phases are no draws from the experiment.
MIN_PLACES = 20  # so is an event with fewer places: its p could not fall below 0.05
TIE = 1e-9  # correlations closer than this are equal: a surrogate may be the true design itself

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Null:
    """Surrogate designs for one event.

    Attributes
    ----------
    kind : str
        ``order``: re-drawn orders of the blocks. ``shift+phase``: circular shifts of the regressors, and
        the same with random phases.
    event : int
        Which of the E columns of the designs it is about.
    design : ndarray, float64, shape (T, E)
        The true regressors of all events, made in the same way. Centred and of unit norm.
    surrogates : mapping of str to ndarray, float64, shape (E, T, S)
        By kind: ``order``, or ``shift`` and ``phase``. Regressors of all events under one draw belong
        together. Centred and of unit norm.
    distinct : int
        How many of the event's surrogates of the first kind differ.
    """

    kind: str
    event: int
    design: np.ndarray
    surrogates: Mapping[str, np.ndarray]
    distinct: int

    @property
    def truth(self) -> np.ndarray:
        """The event's true regressor, shape (T,)."""
        return self.design[:, self.event]

    @property
    def first(self) -> str:
        """The kind that mean, spread and excess refer to: ``order`` or ``shift``."""
        return next(iter(self.surrogates))

    def regressors(self, kind: str | None = None) -> np.ndarray:
        """The event's surrogates of one kind (default the first), shape (T, S)."""
        return self.surrogates[kind or self.first][self.event]

    def best(self, dictionary: np.ndarray, kind: str | None = None) -> tuple[float, BestAtoms]:
        """Best absolute correlation among K atoms with the truth, and the best atom for each surrogate.

        Parameters
        ----------
        dictionary : ndarray, shape (T, K)
        kind : str, optional
            Default the first.

        Returns
        -------
        tuple of float and BestAtoms, shape (S,)
        """
        unit = standardise(dictionary)
        observed = float(np.abs(self.truth @ unit).max())
        return observed, best_atoms(self.regressors(kind).T @ unit)


def p_value(observed: float, surrogates: np.ndarray) -> float:
    """One-sided p of an observation among surrogates, as `p_values`."""
    return float(p_values(np.array([observed]), surrogates[:, None])[0])


def p_values(observed: np.ndarray, surrogates: np.ndarray) -> np.ndarray:
    """One-sided p of K observations, each among its surrogates and counted as one of them.

    Phipson & Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9:39: (1 + number as large) / (1 + number).

    Parameters
    ----------
    observed : ndarray, shape (K,)
    surrogates : ndarray, shape (S, K) or (S, 1)
        Of each observation, or of all.

    Returns
    -------
    ndarray, float64, shape (K,)
    """
    return (1 + (surrogates >= observed - TIE).sum(axis=0)) / (1 + len(surrogates))


def corrected_p_values(observed: Sequence[float], surrogates: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Correct the p of every event over events, by the distribution of their maximum.

    Each event's value is first expressed in standard deviations of its own null, since nulls differ in
    height. Draw by draw the largest is taken over events (Westfall & Young 1993, Nichols & Holmes 2002,
    Hum. Brain Mapp. 15:1-25): the draws of one kind are designs of the whole task, so that what events
    have in common is kept. Of events with fewer draws these are gone through again.

    Parameters
    ----------
    observed : sequence of E floats
    surrogates : sequence of E sequences of ndarray, shape (S,)
        Of every event one array per kind. An event of one kind takes part with it in the maxima of all.

    Returns
    -------
    ndarray, float64, shape (E,)
        Never below the uncorrected p; of several kinds the largest.
    """
    found = np.array(
        [max(p_value(x, kind) for kind in kinds) for x, kinds in zip(observed, surrogates, strict=True)]
    )
    for i in range(max(map(len, surrogates), default=0)):
        family = [kinds[min(i, len(kinds) - 1)] for kinds in surrogates]
        scales = [(draws.mean(), draws.std() or 1.0) for draws in family]
        size = max(map(len, family))
        scaled = [(np.resize(d, size) - mean) / sd for d, (mean, sd) in zip(family, scales, strict=True)]
        largest = np.max(scaled, axis=0)
        own = [p_value((x - mean) / sd, largest) for x, (mean, sd) in zip(observed, scales, strict=True)]
        found = np.maximum(found, own)
    return found


def make_nulls(
    events: pd.DataFrame,
    volumes: int,
    tr: float,
    *,
    hrf: str,
    highpass_s: float,
    count: int,
    rng: np.random.Generator,
    length: int | None = None,
    operator: np.ndarray | None = None,
    detrended: bool = False,
    kept: np.ndarray | None = None,
) -> dict[str, Null]:
    """Make the surrogate regressors of every event of a run.

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
    highpass_s : float
        Cut-off of the filter that the data passed, in seconds; 0 if they passed none of ours.
    count : int
        Orders, and phases, to draw. Shifts are all there are: one fewer than volumes.
    rng : Generator
    length : int, optional
        Volumes kept after filtering, from the first on.
    operator : ndarray, shape (volumes, volumes), optional
        What the data passed instead of the filter: `dca.preprocess.regress.residual_operator`.
    detrended : bool
        Whether the data lost a line over the volumes that were kept, after the filter.
    kept : ndarray, bool, shape (length,), optional
        False at censored volumes, which the regressors then lack.

    Returns
    -------
    dict of str to Null
        By event, in order of name.
    """
    paradigm = read_paradigm(events)
    # The filter is linear: as a matrix it serves any number of surrogates.
    kernel = filter_columns(np.eye(volumes), tr, highpass_s) if operator is None else operator
    kernel = without_line(kernel[:length]) if detrended else kernel[:length]
    kernel = kernel if kept is None else kernel[kept]
    by_order = [min_orders_met(paradigm, event) for event in range(len(paradigm.names))]
    orders = paradigm.draw_orders(count, rng)
    true_order = np.arange(len(paradigm.units))[None]
    true = _responses(paradigm, paradigm.starts(true_order), volumes, tr, hrf)[:, :, 0]
    surrogates: dict[str, dict[str, np.ndarray]] = {}
    if any(by_order):
        surrogates["order"] = {
            "order": _filtered(kernel, _responses(paradigm, paradigm.starts(orders), volumes, tr, hrf))
        }
    if not all(by_order):
        surrogates["shift+phase"] = {
            "shift": _filtered(kernel, _shifted(true)),
            "phase": _filtered(kernel, _rephased(true, count, rng)),
        }
    design = standardise(kernel @ true.T)
    nulls = {}
    for event, name in enumerate(paradigm.names):
        kind, distinct = "shift+phase", volumes - 1
        if by_order[event]:
            kind, distinct = "order", len(np.unique(paradigm.labels[orders] == event, axis=0))
        nulls[name] = Null(kind, event, design, surrogates[kind], distinct)
    log.info(
        "%d blocks; null by %s",
        len(paradigm.units),
        ", ".join(f"{null.kind} for {name} ({null.distinct})" for name, null in nulls.items()),
    )
    return nulls


def min_orders_met(paradigm: Paradigm, event: int) -> bool:
    """Whether re-ordering gives enough different designs for a p-value of this event."""
    orders, places = paradigm.possible(event)
    return orders >= MIN_ORDERS and places >= MIN_PLACES


def _filtered(kernel: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Filter and standardise raw regressors (E, volumes, S): shape (E, T, S)."""
    return np.stack([standardise(kernel @ columns) for columns in drawn])


def _shifted(true: np.ndarray) -> np.ndarray:
    """All circular shifts of the regressors (E, volumes) but the one by 0."""
    volumes = true.shape[1]
    times = np.arange(volumes)
    return true[:, (times[:, None] - times[1:]) % volumes]


def _rephased(true: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Regressors with the spectrum of the true ones (E, volumes) and random phases, (E, volumes, count).

    All events get the same change of phase, so that their correlations with one another stay
    (Prichard & Theiler 1994, Phys. Rev. Lett. 73:951-954).
    """
    spectrum = np.fft.rfft(true)
    turns = rng.uniform(0, 2 * np.pi, (spectrum.shape[1], count))
    turns[0] = 0  # the mean
    if true.shape[1] % 2 == 0:
        turns[-1] = 0  # half the sampling rate has no phase
    return np.fft.irfft(spectrum[:, :, None] * np.exp(1j * turns), true.shape[1], axis=1)


def _responses(paradigm: Paradigm, starts: np.ndarray, volumes: int, tr: float, hrf: str) -> np.ndarray:
    """Response to every event for units at the given starts (S×U), float64, shape (E, volumes, S)."""
    total = np.zeros((len(paradigm.names), len(starts), volumes))
    for unit, column in zip(paradigm.units, starts.T, strict=True):
        # Most orders put a block at one of few places: each response is computed once.
        places, which = np.unique(column.round(3), return_inverse=True)
        for part in unit.parts:
            total[part.event] += block_response(places, part.pattern, volumes, tr, hrf)[which]
    return total.transpose(0, 2, 1)
