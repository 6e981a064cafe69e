"""Settings of a simulation, and the random streams that it draws from."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from dca.errors import ConfigError
from dca.simulate.layout import TR, VOLUMES

RANGES = {
    "voxel_mm": (2.0, 15.0),
    "volumes": (32, 10_000),
    "tr": (0.2, 5.0),
    "runs": (1, 99),
    "activation": (0.0, 10.0),
    "motion_mm": (0.0, 5.0),
    "drift": (0.0, 10.0),
    "noise": (0.0, 10.0),
    "response_spread": (0.0, 2.0),
    "adaptation": (0.0, 4.0),
    "adaptation_spread": (0.0, 2.0),
    "timing_s": (0.0, 5.0),
    "artefact_rate": (0.0, 20.0),
    "artefact_spread": (0.0, 2.0),
    "bursts": (0.0, 10.0),
}
ORDERS = ("shared", "per-run")


@dataclass(frozen=True)
class Scenario:
    """What to simulate; the defaults are the embedded demo.

    Parameters
    ----------
    voxel_mm : float
        Edge of the isotropic voxels in mm, 2 to 15.
    volumes : int
        Volumes per run.
    tr : float
        Repetition time in s.
    order : {'shared', 'per-run'}
        One order of the events for all subjects and runs, as in HCP, or a new one in every run.
    runs : int
        Runs per subject.
    activation : float
        Factor on the size of the task's response; 0 is rest.
    motion_mm : float
        Typical largest translation within a run in mm; the largest rotation is as many degrees.
    drift : float
        Factor on the slow drift of the signal.
    noise : float
        Factor on networks, global signal, physiology and random noise.
    artefacts : bool
        Spikes in some slices, and jerks of the head.
    vary_response : bool
        Latency and width of the response vary by region and subject; otherwise all are canonical.
    response_spread : float
        Factor on the standard deviations of latency and log-width, 0 to 2.
    adaptation : float
        Factor on the share of the drive that decays within a block, and exponent of habituation from
        block to block; 0 is none.
    adaptation_spread : float
        SD, between regions, of the log of that share and of its time constant.
    timing_s : float
        Typical delay in s of a subject's behaviour after the event that the table tells of.
    artefact_rate : float
        Factor on the rates of spikes and jerks.
    artefact_spread : float
        SD, between runs, of the log of these rates.
    bursts : float
        Bursts of motion per minute.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    voxel_mm: float = 5.0
    volumes: int = VOLUMES
    tr: float = TR
    order: str = "shared"
    runs: int = 1
    activation: float = 1.0
    motion_mm: float = 0.5
    drift: float = 1.0
    noise: float = 1.0
    artefacts: bool = True
    vary_response: bool = True
    response_spread: float = 1.0
    adaptation: float = 1.0
    adaptation_spread: float = 0.0
    timing_s: float = 0.0
    artefact_rate: float = 1.0
    artefact_spread: float = 0.0
    bursts: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value, whole = getattr(self, name), isinstance(low, int)
            number = isinstance(value, int | np.integer if whole else int | float | np.number)
            if isinstance(value, bool) or not number or not math.isfinite(value) or not low <= value <= high:
                kind = "a whole number" if whole else "a number"
                raise ConfigError(f"simulation {name}", f"is {value!r}", f"give {kind} from {low} to {high}")
        for name in ("artefacts", "vary_response"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"simulation {name}", f"is {getattr(self, name)!r}", "give true or false")
        if self.order not in ORDERS:
            raise ConfigError("simulation order", f"is {self.order!r}", f"give one of {', '.join(ORDERS)}")

    @property
    def duration_s(self) -> float:
        """Length of a run in s."""
        return self.volumes * self.tr

    def with_options(self, **options: Any) -> Scenario:
        """Copy with some settings replaced.

        Raises
        ------
        ConfigError
            If there is no such setting, or its value is not allowed.
        """
        known = [field.name for field in fields(self)]
        for name in options:
            if name not in known:
                raise ConfigError(f"simulation {name}", "is not a setting", f"use one of {', '.join(known)}")
        return replace(self, **options)


def artefact_factor(scenario: Scenario, seed: int, index: int, run: int) -> float:
    """Factor on one run's rates of spikes and jerks: log-normal, with the scenario's rate as its median."""
    deviation = generator(seed, "artefact rate", index, run).standard_normal()
    return float(scenario.artefact_rate * np.exp(scenario.artefact_spread * deviation))


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """Random stream of its own for each purpose, subject and run.

    Streams do not depend on what else was drawn, so that a subject is the same whether simulated
    alone or with others, and switching one ingredient off leaves the others as they were.

    Raises
    ------
    ConfigError
        If `seed` is not a whole number of 0 or more.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError("simulation seed", f"is {seed!r}", "give a whole number of 0 or more")
    spawn = (zlib.crc32(purpose.encode()), *key)
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=spawn))
