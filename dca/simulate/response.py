"""How regions answer to events: a double-gamma response whose latency and width vary.

Sizes. Time to peak differs between subjects with an SD of about 0.7 s and between regions of a
subject by about as much (Aguirre et al. 1998, NeuroImage 8:360; Handwerker et al. 2004, NeuroImage
21:1639, who saw peaks from 2.5 to 6.5 s). The neural drive adapts within a block (a transient at the
onset above a plateau) and habituates from block to block, so that the response is not quite linear.
How much differs between regions and tasks: repetition leaves about half to nearly all of a response
(Grill-Spector et al. 2006, Trends Cogn Sci 10:14). Behaviour follows a cue by a reaction time that differs
between subjects and moves the response with it (Menon et al. 1998, PNAS 95:10902).
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
PEAK_S, EARLIEST_PEAK_S = 5.0, 2.0  # of the canonical response to a brief event, and of any
WIDTH_REGION, WIDTH_SUBJECT = 0.10, 0.10  # SD of log width
TRANSIENT, TRANSIENT_S = 0.2, 4.0  # share of the drive that decays within a block, and its time constant
HABITUATION = 0.95  # drive of every block after the first of its kind
LARGEST_TRANSIENT = 0.9  # of a region: something of the drive stays
TIMING_BLOCK = 0.3  # SD of a block's delay around its subject's, as a share of the typical delay


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
        (t − latency) / width, cut at t = 0: nothing answers before its event.
        """
        time = (np.arange(0, KERNEL_S, STEP_S) - self.latency) / self.width
        kernel = gamma.pdf(time, 6) - gamma.pdf(time, 16) / 6
        return kernel / kernel.sum()


@dataclass(frozen=True)
class Adaptation:
    """How a region's drive fades.

    Attributes
    ----------
    transient : float
        Share of the drive that decays within a block.
    transient_s : float
        Its time constant in s.
    habituation : float
        Drive of every block after the first of its kind.
    """

    transient: float = TRANSIENT
    transient_s: float = TRANSIENT_S
    habituation: float = HABITUATION


CANONICAL = Response()


def draw_responses(scenario: Scenario, seed: int, index: int) -> dict[str, Response]:
    """Response of every region of one subject, keyed by the region's name.

    Half of a region's variance in latency and width is common to all subjects of the dataset. No response
    peaks before `EARLIEST_PEAK_S`: one that is moved further loses its peak to the cut at t = 0, and with
    the undershoot alone it would be upside down.
    """
    if not scenario.vary_response:
        return {region.name: CANONICAL for region in REGIONS}
    common = generator(seed, "response").standard_normal((len(REGIONS), 2))
    rng = generator(seed, "response", index)
    own, subject = rng.standard_normal((len(REGIONS), 2)), rng.standard_normal(2)
    regional = (common + own) / np.sqrt(2)
    spread = scenario.response_spread
    latency = spread * (LATENCY_REGION_S * regional[:, 0] + LATENCY_SUBJECT_S * subject[0])
    width = np.exp(spread * (WIDTH_REGION * regional[:, 1] + WIDTH_SUBJECT * subject[1]))
    limit = LATENCY_LIMIT_S * max(1.0, spread)
    limited = np.clip(latency, np.maximum(-limit, EARLIEST_PEAK_S - PEAK_S * width), limit)
    return {
        region.name: Response(round(float(shift), 4), round(float(factor), 4))
        for region, shift, factor in zip(REGIONS, limited, width, strict=True)
    }


def draw_adaptations(scenario: Scenario, seed: int, index: int) -> dict[str, Adaptation]:
    """Adaptation of every region of one subject; half of a region's variance is common to all subjects."""
    common = generator(seed, "adaptation").standard_normal((len(REGIONS), 2))
    own = generator(seed, "adaptation", index).standard_normal((len(REGIONS), 2))
    factors = np.exp(scenario.adaptation_spread * (common + own) / np.sqrt(2))
    shares = np.minimum(TRANSIENT * scenario.adaptation * factors[:, 0], LARGEST_TRANSIENT)
    return {
        region.name: Adaptation(float(share), float(TRANSIENT_S * factor), HABITUATION**scenario.adaptation)
        for region, share, factor in zip(REGIONS, shares, factors[:, 1], strict=True)
    }


def delayed(events: pd.DataFrame, scenario: Scenario, seed: int, index: int, run: int) -> pd.DataFrame:
    """Events as they drive the brain: later than told by a subject's delay, and a block's own.

    Returns
    -------
    DataFrame
        `events` with other onsets; equal to it where `timing_s` is 0.
    """
    subject = abs(generator(seed, "timing", index).standard_normal())
    blocks = generator(seed, "timing", index, run).standard_normal(len(events))
    delays = scenario.timing_s * np.maximum(subject + TIMING_BLOCK * blocks, 0)
    return events.assign(onset=events["onset"] + delays)


def drive(events: pd.DataFrame, event: str, duration_s: float, adaptation: Adaptation | None) -> np.ndarray:
    """Neural drive of one event on the fine grid, 1 at its largest (float64).

    Parameters
    ----------
    events : DataFrame
        ``onset``, ``duration`` (s) and ``trial_type``.
    event : str
        One of its types.
    duration_s : float
        Length of the run.
    adaptation : Adaptation or None
        None makes a plain boxcar.
    """
    time = np.arange(0, duration_s, STEP_S)
    course = np.zeros_like(time)
    own = events.loc[events["trial_type"] == event, ["onset", "duration"]].to_numpy(float)
    for number, (onset, duration) in enumerate(own):
        since = time - onset
        on = (since >= 0) & (since < duration)
        if adaptation is None:
            course[on] = 1.0
            continue
        share = adaptation.transient
        level = 1 - share + share * np.exp(-since[on] / adaptation.transient_s)
        course[on] = level * (adaptation.habituation if number else 1.0)
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
