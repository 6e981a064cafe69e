"""Colours of maps: symmetric scales, and where they end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize

#: Cyan-blue to red-yellow, the field's habit: its arms differ on the axis that all colour vision has, and
#: each gets lighter with size. The step at zero is never seen, as values near zero are transparent.
COLOURS = LinearSegmentedColormap.from_list(
    "cold_hot",
    [
        (0.0, "#c4f4ff"),
        (0.2, "#3fa9f5"),
        (0.42, "#1450c8"),
        (0.5, "#0a2a80"),
        (0.5, "#7d0a0a"),
        (0.58, "#c81e14"),
        (0.8, "#ff8c1a"),
        (1.0, "#fff2a0"),
    ],
)
Z_THRESHOLD = 3.1  # p = 0.001, one-sided, uncorrected
MAP_THRESHOLD = 0.2  # share of the scale's end, for maps of atoms


@dataclass(frozen=True)
class Scale:
    """A symmetric colour scale.

    Attributes
    ----------
    limit : float
        Value at the end of the colours, and its negative at the other.
    threshold : float
        Weaker values fade out with the cube of their size: seen, not hidden.
    label : str
        Quantity and unit.
    """

    limit: float
    threshold: float
    label: str

    def rgba(self, values: np.ndarray) -> np.ndarray:
        """Colours of values, float64, shape (..., 4); zero and non-finite are transparent."""
        known = np.where(np.isfinite(values), values, 0).astype(np.float64)
        colours = COLOURS(Normalize(-self.limit, self.limit)(np.clip(known, -self.limit, self.limit)))
        colours[..., 3] = np.minimum(1, np.abs(known) / self.threshold) ** 3
        return colours


def z_scale(maps: list[np.ndarray]) -> Scale:
    """One scale for the z maps of a run: to the 99.9th percentile of all |z|, at least 1.3 thresholds."""
    return Scale(max(_high(maps, 99.9), 1.3 * Z_THRESHOLD), Z_THRESHOLD, "z")


def atom_scale(maps: list[np.ndarray]) -> Scale:
    """One scale for the atoms' maps of a run: to the 99.5th percentile of all non-zero |coefficients|."""
    limit = _high(maps, 99.5)
    return Scale(limit, MAP_THRESHOLD * limit, "coefficient")


def _high(maps: list[np.ndarray], percent: float) -> float:
    values = np.concatenate([np.abs(m[np.isfinite(m) & (m != 0)]) for m in maps] or [np.empty(0)])
    high = float(np.percentile(values, percent)) if values.size else 0.0
    return high if high > 0 else 1.0
