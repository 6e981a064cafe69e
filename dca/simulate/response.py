"""How regions answer to events: a double-gamma response whose latency and width vary.

Sizes. Time to peak differs between subjects with an SD of about 0.7 s and between regions of a
subject by about as much (Aguirre et al. 1998, NeuroImage 8:360; Handwerker et al. 2004, NeuroImage
21:1639, who saw peaks from 2.5 to 6.5 s). The neural drive adapts within a block (a transient at the
onset above a plateau) and habituates from block to block, so that the response is not quite linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import fftconvolve
from scipy.stats import gamma

from dca.simulate.regions import REGIONS
from dca.simulate.scenario import Scenario, generator

STEP_S = 0.02  # of the fine time grid for convolution
KERNEL_S = 40.0
LATENCY_REGION_S, LATENCY_SUBJECT_S, LATENCY_LIMIT_S = 0.6, 0.7, 1.8
WIDTH_REGION, WIDTH_SUBJECT = 0.10, 0.10  # SD of log width
TRANSIENT, TRANSIENT_S = 0.2, 4.0  # share of the drive that decays within a block, and its time constant
HABITUATION = 0.95  # drive of every block after the first of its kind


@dataclass(frozen=True)
class Response:
    """Shape of one region's hemodynamic response.

    Attributes
    ----------
    latency : float
        Shift in s against the canonical response, which peaks 5 s after a brief event.
    width : float
        Factor on the time axis.
    """

    latency: float = 0.0
    width: float = 1.0

    def kernel(self) -> np.ndarray:
        """Response to a brief event on the fine grid (float64, step `STEP_S`).

        SPM's double gamma (peak shape 6, undershoot shape 16, ratio 1/6, scale 1 s) at
        (t − latency) / width.
        """
        time = (np.arange(0, KERNEL_S, STEP_S) - self.latency) / self.width
        kernel = gamma.pdf(time, 6) - gamma.pdf(time, 16) / 6
        return kernel / kernel.sum()


CANONICAL = Response()


def draw_responses(scenario: Scenario, seed: int, index: int) -> dict[str, Response]:
    """Response of every region of one subject, keyed by the region's name.

    Half of a region's variance in latency and width is common to all subjects of the dataset.
    """
    if not scenario.vary_response:
        return {region.name: CANONICAL for region in REGIONS}
    common = generator(seed, "response").standard_normal((len(REGIONS), 2))
    rng = generator(seed, "response", index)
    own, subject = rng.standard_normal((len(REGIONS), 2)), rng.standard_normal(2)
    regional = (common + own) / np.sqrt(2)
    latency = LATENCY_REGION_S * regional[:, 0] + LATENCY_SUBJECT_S * subject[0]
    width = np.exp(WIDTH_REGION * regional[:, 1] + WIDTH_SUBJECT * subject[1])
    limited = np.clip(latency, -LATENCY_LIMIT_S, LATENCY_LIMIT_S)
    return {
        region.name: Response(round(float(shift), 4), round(float(factor), 4))
        for region, shift, factor in zip(REGIONS, limited, width, strict=True)
    }


def drive(events: pd.DataFrame, event: str, duration_s: float, adapts: bool) -> np.ndarray:
    """Neural drive of one event on the fine grid, 1 at its largest (float64).

    Parameters
    ----------
    events : DataFrame
        ``onset``, ``duration`` (s) and ``trial_type``.
    event : str
        One of its types.
    duration_s : float
        Length of the run.
    adapts : bool
        Transient and habituation; otherwise a plain boxcar.
    """
    time = np.arange(0, duration_s, STEP_S)
    course = np.zeros_like(time)
    own = events.loc[events["trial_type"] == event, ["onset", "duration"]].to_numpy(float)
    for number, (onset, duration) in enumerate(own):
        since = time - onset
        on = (since >= 0) & (since < duration)
        level = 1 - TRANSIENT + TRANSIENT * np.exp(-since[on] / TRANSIENT_S) if adapts else 1.0
        course[on] = level * (HABITUATION if adapts and number else 1.0)
    return course


def respond(course: np.ndarray, response: Response, volumes: int, tr: float) -> np.ndarray:
    """Convolve a drive with a response, at the middle of each volume, scaled to a peak of 1.

    Returns
    -------
    ndarray, shape (volumes,), float64
        All zero for an event that does not occur.
    """
    fine = fftconvolve(course, response.kernel())[: len(course)]
    middle = np.round((np.arange(volumes) + 0.5) * tr / STEP_S).astype(int)
    samples = fine[np.minimum(middle, len(course) - 1)]
    peak = samples.max()
    return samples / peak if peak > 0 else samples
