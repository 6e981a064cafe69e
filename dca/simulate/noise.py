"""Random noise, volume by volume, and the artefacts of the scanner."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter

import numpy as np
import pandas as pd
from scipy import ndimage

from dca.simulate.anatomy import FWHM, GREY, Anatomy
from dca.simulate.scenario import Scenario, artefact_factor, generator

TISSUE = 0.0078  # SD of smooth noise as a fraction of the baseline
TISSUE_FWHM_MM = 7.0
TISSUE_S = 0.6  # time after which its autocorrelation has fallen to 1/e
THERMAL = 0.0077 * GREY  # SD of each of the receiver's two channels
# About the rate at which framewise displacement and DVARS mark volumes of quiet adults (Power et al. 2012,
# NeuroImage 59:2142); runs of restless ones have many times more.
SPIKES_PER_MIN, SPIKE_SIZE, SPIKE_BAND = 0.6, (0.02, 0.06), 8  # every 8th slice, as in multiband EPI
ARTEFACT_COLUMNS = {
    "volume": "Volume, counted from 0.",
    "onset": "Start of the volume in s.",
    "kind": "spike: some slices of this volume are too bright; jerk: the head jerks here; burst: a burst of "
    "motion begins here.",
    "first_slice": "First slice (axis z, counted from 0) with the spike.",
    "slice_step": "Distance between slices with the spike.",
    "size": "Relative gain in intensity.",
}


class TissueNoise:
    """Spatially smooth noise that follows a first-order autoregression in time.

    Each call returns the next volume: float32, standard deviation `TISSUE` × `scenario.noise`.
    The autoregressive coefficient is exp(−TR / 0.6 s), 0.30 at 0.72 s.
    """

    def __init__(self, anatomy: Anatomy, scenario: Scenario, rng: np.random.Generator) -> None:
        self._rng, self._shape = rng, anatomy.brain.shape
        self._sigma = TISSUE_FWHM_MM / FWHM / anatomy.voxel_mm
        impulse = np.zeros(65)
        impulse[32] = 1
        gain = np.sqrt(np.sum(ndimage.gaussian_filter1d(impulse, self._sigma, truncate=3) ** 2)) ** 3
        self._phi = np.float32(np.exp(-scenario.tr / TISSUE_S))
        self._size = np.float32(TISSUE * scenario.noise / gain)
        self._state = self._smooth()

    def _smooth(self) -> np.ndarray:
        white = self._rng.standard_normal(self._shape, dtype=np.float32)
        return ndimage.gaussian_filter(white, self._sigma, truncate=3, mode="wrap") * self._size

    def __call__(self) -> np.ndarray:
        """Next volume."""
        now = self._state
        self._state = self._phi * now + np.sqrt(1 - self._phi**2) * self._smooth()
        return now


def receive(image: np.ndarray, scenario: Scenario, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of an image with thermal noise in both channels (Rician; float32)."""
    size = np.float32(THERMAL * scenario.noise)
    real = image + size * rng.standard_normal(image.shape, dtype=np.float32)
    return np.hypot(real, size * rng.standard_normal(image.shape, dtype=np.float32))


def draw_artefacts(
    slices: int, scenario: Scenario, moves: Mapping[str, np.ndarray], seed: int, index: int, run: int
) -> pd.DataFrame:
    """Table of one run's artefacts, with the columns of `ARTEFACT_COLUMNS`.

    `moves` are the volumes of sudden motion by their kind: jerk, burst.
    """
    rng = generator(seed, "spikes", index, run)
    rows: list[tuple] = [
        (int(volume), kind, None, None, None) for kind, volumes in moves.items() for volume in volumes
    ]
    rate = SPIKES_PER_MIN * artefact_factor(scenario, seed, index, run)
    number = rng.poisson(rate * scenario.duration_s / 60) if scenario.artefacts else 0
    for volume in rng.choice(scenario.volumes, min(number, scenario.volumes // 4), replace=False):
        first, size = int(rng.integers(min(SPIKE_BAND, slices))), round(float(rng.uniform(*SPIKE_SIZE)), 4)
        rows.append((int(volume), "spike", first, SPIKE_BAND, size))
    columns = ["volume", "kind", "first_slice", "slice_step", "size"]
    table = pd.DataFrame(sorted(rows, key=itemgetter(0)), columns=columns)
    table.insert(1, "onset", np.round(table["volume"].astype(float) * scenario.tr, 4))
    # Whole numbers with gaps stay whole.
    return table.astype({"volume": "Int64", "first_slice": "Int64", "slice_step": "Int64"})


def add_spikes(image: np.ndarray, artefacts: pd.DataFrame, volume: int) -> None:
    """Brighten the slices of this volume that the table says, in place."""
    spikes = artefacts[(artefacts["volume"] == volume) & (artefacts["kind"] == "spike")]
    for first, step, size in spikes[["first_slice", "slice_step", "size"]].to_numpy(float):
        image[:, :, int(first) :: int(step)] *= 1 + size
