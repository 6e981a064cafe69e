"""Null distributions of the best correlation: the whole selection, repeated on surrogate designs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dca.compare.paradigm import Paradigm, read_paradigm
from dca.compare.pcc import standardise
from dca.glm.response import block_response
from dca.preprocess.highpass import filter_columns

MIN_ORDERS = 200  # a task with fewer orders is compared with shifts
MIN_PLACES = 20  # so is an event with fewer places: its p could not fall below 0.05
TIE = 1e-9  # correlations closer than this are equal: a surrogate may be the true design itself

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Null:
    """Surrogate regressors of one event.

    Attributes
    ----------
    kind : str
        ``order``: from re-drawn orders of the blocks. ``shift``: circular shifts of the regressor.
    truth : ndarray, float64, shape (T,)
        The true regressor, made in the same way.
    regressors : ndarray, float64, shape (T, S)
        The surrogates. Centred and of unit norm, as `truth` is.
    distinct : int
        How many of the surrogates differ.
    """

    kind: str
    truth: np.ndarray
    regressors: np.ndarray
    distinct: int

    def best(self, dictionary: np.ndarray) -> tuple[float, np.ndarray]:
        """Best absolute correlation among K atoms, with the truth and with every surrogate.

        Parameters
        ----------
        dictionary : ndarray, shape (T, K)

        Returns
        -------
        tuple of float and ndarray, float64, shape (S,)
        """
        unit = standardise(dictionary)
        surrogates = np.abs(self.regressors.T @ unit).max(axis=1)
        return float(np.abs(self.truth @ unit).max()), surrogates


def p_value(observed: float, surrogates: np.ndarray) -> float:
    """One-sided p of an observation among surrogates, the observation counted as one of them.

    Phipson & Smyth (2010), Stat. Appl. Genet. Mol. Biol. 9:39: (1 + number as large) / (1 + number).
    """
    return (1 + int((surrogates >= observed - TIE).sum())) / (1 + len(surrogates))


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
        Orders to draw. Shifts are all there are: one fewer than volumes.
    rng : Generator
    length : int, optional
        Volumes kept after filtering, from the first on.
    operator : ndarray, shape (volumes, volumes), optional
        What the data passed instead of the filter: `dca.preprocess.regress.residual_operator`.
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
    kernel = kernel[:length] if kept is None else kernel[:length][kept]
    orders = paradigm.draw_orders(count, rng)
    true_order = np.arange(len(paradigm.units))[None]
    starts = paradigm.starts(np.concatenate([true_order, orders]))
    nulls = {}
    for event, name in enumerate(paradigm.names):
        by_order = min_orders_met(paradigm, event)
        raw = _responses(paradigm, event, starts if by_order else starts[:1], volumes, tr, hrf)
        if by_order:
            distinct = len(np.unique(paradigm.labels[orders] == event, axis=0))
        else:
            lags = np.arange(volumes)
            raw = raw[0][(lags - lags[:, None]) % volumes]
            distinct = volumes - 1
        unit = standardise(kernel @ raw.T)
        nulls[name] = Null("order" if by_order else "shift", unit[:, 0], unit[:, 1:], distinct)
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


def _responses(
    paradigm: Paradigm, event: int, starts: np.ndarray, volumes: int, tr: float, hrf: str
) -> np.ndarray:
    """Response to one event type for units at the given starts (S×U), float64, shape (S, volumes)."""
    total = np.zeros((len(starts), volumes))
    for unit, column in zip(paradigm.units, starts.T, strict=True):
        for part in unit.parts:
            if part.event == event:
                # Most orders put a block at one of few places: each response is computed once.
                places, which = np.unique(column.round(3), return_inverse=True)
                total += block_response(places, part.pattern, volumes, tr, hrf)[which]
    return total
