"""Everything in the signal that is one map times one time course, but is not the task.

Resting networks sit at the 300 regions of Seitzman et al. 2020 (NeuroImage 206:116290; nilearn
brings the coordinates), and fluctuate between 0.01 and 0.1 Hz with a 1/f spectrum, by about half a
percent (Bianciardi et al. 2009, Magn Reson Imaging 27:1019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from dca.simulate.anatomy import FWHM, Anatomy
from dca.simulate.scenario import Scenario, generator

NETWORK, GLOBAL, CARDIAC, RESPIRATORY = 0.003, 0.0015, 0.006, 0.0015  # SD at the maps' maxima
DRIFT = 0.008  # spatial SD of each drift's largest excursion
BAND_HZ = (0.01, 0.1)
NODE_FWHM_MM = 14.0
SPLIT_AT = 12  # networks of this many regions or more are split into a front and a back part
HEART_HZ, BREATH_HZ = 1.1, 0.28
DRIFT_FWHM_MM = 60.0


@dataclass(frozen=True)
class Component:
    """A map over brain voxels (float32) times a course over volumes (fraction of the baseline)."""

    name: str
    map: np.ndarray
    course: np.ndarray


def network_maps(anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Make the maps of 20 networks over brain voxels, each with a maximum of 1 (float32)."""
    from nilearn.datasets import fetch_coords_seitzman_2018

    atlas = fetch_coords_seitzman_2018()
    centres = atlas["rois"][["x", "y", "z"]].to_numpy(float)
    maps = {}
    for name in sorted(set(atlas["networks"]) - {"unassigned"}):
        own = centres[np.asarray(atlas["networks"]) == name]
        back = own[:, 1] < np.median(own[:, 1])
        parts = {name: own}
        if len(own) >= SPLIT_AT:
            parts = {f"{name}Front": own[~back], f"{name}Back": own[back]}
        for part, nodes in parts.items():
            total = np.sum([anatomy.patch(node, NODE_FWHM_MM) for node in nodes], axis=0)
            maps[part] = (total / total.max()).astype(np.float32)
    return maps


def network_components(
    maps: dict[str, np.ndarray], scenario: Scenario, seed: int, index: int, run: int
) -> list[Component]:
    """Resting networks of one run."""
    rng = generator(seed, "networks", index, run)
    size = NETWORK * scenario.noise
    return [Component(name, weights, size * _slow(rng, scenario)) for name, weights in maps.items()]


def other_components(
    anatomy: Anatomy, scenario: Scenario, seed: int, index: int, run: int
) -> list[Component]:
    """Global signal, pulse, breathing and drifts of one run."""
    rng = generator(seed, "global", index, run)
    ones = np.ones(len(anatomy.position), np.float32)
    pulse = np.clip(anatomy.fluid + 0.3 * (anatomy.position[:, 2] < -25), 0, 1).astype(np.float32)
    chest = _field(anatomy, generator(seed, "breathing map", index))
    components = [
        Component("Global", ones, GLOBAL * scenario.noise * _slow(rng, scenario)),
        Component("Cardiac", pulse, CARDIAC * scenario.noise * _rhythm(rng, HEART_HZ, scenario)),
        Component("Respiratory", chest, RESPIRATORY * scenario.noise * breathing(scenario, seed, index, run)),
    ]
    time = np.linspace(-1, 1, scenario.volumes)
    rng = generator(seed, "drift", index, run)
    for number, shape in enumerate((time, time**2 - 1 / 3, np.sin(np.pi * time)), start=1):
        field = _field(anatomy, rng)
        components.append(Component(f"Drift{number}", field, DRIFT * scenario.drift * shape))
    return components


def breathing(scenario: Scenario, seed: int, index: int, run: int) -> np.ndarray:
    """Course of the chest (SD 1), which moves the head too."""
    return _rhythm(generator(seed, "breathing", index, run), BREATH_HZ, scenario)


def _rhythm(rng: np.random.Generator, hertz: float, scenario: Scenario) -> np.ndarray:
    """Sine whose rate wanders by some 10 %, sampled (and so aliased) at the volumes."""
    rate = hertz * (1 + 0.1 * rng.standard_normal(scenario.volumes))
    phase = 2 * np.pi * (rng.random() + np.cumsum(rate) * scenario.tr)
    return np.sqrt(2) * np.sin(phase)


def _slow(rng: np.random.Generator, scenario: Scenario) -> np.ndarray:
    """Band-limited 1/f noise with a standard deviation of 1."""
    # Twice as long as needed, so that the end does not join the beginning.
    frequency = np.fft.rfftfreq(2 * scenario.volumes, scenario.tr)
    inside = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    if not inside.any():
        inside = frequency == frequency[1]
    spectrum = np.zeros(len(frequency), complex)
    power = rng.standard_normal(inside.sum()) + 1j * rng.standard_normal(inside.sum())
    spectrum[inside] = power / np.sqrt(frequency[inside])
    course = np.fft.irfft(spectrum, 2 * scenario.volumes)[: scenario.volumes]
    return (course - course.mean()) / course.std()


def _field(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field over brain voxels with a standard deviation of 1 (float32)."""
    noise = rng.standard_normal(anatomy.brain.shape, dtype=np.float32)
    sigma = DRIFT_FWHM_MM / FWHM / anatomy.voxel_mm
    field = ndimage.gaussian_filter(noise, sigma, mode="reflect")[anatomy.brain]
    return field / field.std()
