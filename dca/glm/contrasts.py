"""Contrasts: each event against rest, and those that the settings name."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from dca.errors import ConfigError
from dca.glm.design import Design

NAME = re.compile(r"[A-Za-z0-9-]+")  # becomes part of a file name, and `_` separates what follows

Contrasts = Mapping[str, Mapping[str, float]]


def contrast_vectors(design: Design, contrasts: Contrasts) -> dict[str, np.ndarray]:
    """Weights of the design's columns, for every event and every contrast.

    Parameters
    ----------
    design : Design
    contrasts : mapping
        Name → {event: weight}.

    Returns
    -------
    dict of str to ndarray, float64, shape (P,)
        Events first.

    Raises
    ------
    ConfigError
        If a contrast names an unknown event, is zero throughout, or its own name cannot be used.
    """
    known = ", ".join(design.events)
    weights: dict[str, Mapping[str, float]] = {event: {event: 1.0} for event in design.events}
    for name, terms in contrasts.items():
        setting = f"glm.contrasts.{name}"
        if not NAME.fullmatch(name):
            raise ConfigError(setting, "cannot be part of a file name", "use letters, digits and hyphens")
        if name in design.events:
            raise ConfigError(setting, "has the name of an event", "rename it: every event has its own maps")
        unknown = [event for event in terms if event not in design.events]
        if unknown:
            raise ConfigError(setting, f"unknown event `{unknown[0]}`", f"known in this run: {known}")
        if not all(np.isfinite(weight) for weight in terms.values()) or not any(terms.values()):
            raise ConfigError(setting, "has no finite weight other than 0", "weigh at least one event")
        weights[name] = terms
    return {
        name: np.array([terms.get(str(column), 0.0) for column in design.table], dtype=float)
        for name, terms in weights.items()
    }
