"""Where events act: regions at the coordinates that the literature gives, and the events' maps.

Coordinates are MNI mm: hand knob (Mayka et al. 2006, NeuroImage 31:1453), foot and tongue of the
motor strip and their partners in the anterior cerebellum (Buckner et al. 2011, J Neurophysiol
106:2322; Yeo et al. 2011, J Neurophysiol 106:1125), supplementary motor area, and for the visual cue
early visual and intraparietal cortex.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dca.simulate.anatomy import Anatomy
from dca.simulate.layout import EVENTS
from dca.simulate.scenario import Scenario, generator

JITTER_MM = 2.0  # SD of a region's position between subjects, per axis
STRENGTH_SD = 0.10  # SD of the log of a region's strength between subjects
# Typical peak of the response as a fraction of the baseline, and the limits for a subject's.
# Smaller where the patch is large or the events are many, so that no event stands out.
PEAK = {
    "cue": 0.0125,
    "left-finger": 0.0185,
    "right-finger": 0.0185,
    "left-toe": 0.0180,
    "right-toe": 0.0180,
    "tongue": 0.0175,
}
PEAK_SD = 0.08  # SD of its log between events and subjects
PEAK_RANGE = (0.011, 0.020)


@dataclass(frozen=True)
class Region:
    """A patch of the brain and how strongly each event drives it (1 = the event's main region)."""

    name: str
    centre: tuple[float, float, float]
    fwhm_mm: float
    strength: dict[str, float] = field(hash=False)


REGIONS = (
    Region("left-hand", (-38, -22, 56), 20, {"right-finger": 1.0}),
    Region("right-hand", (38, -22, 56), 20, {"left-finger": 1.0}),
    Region("left-foot", (-8, -32, 66), 17, {"right-toe": 1.0}),
    Region("right-foot", (8, -32, 66), 17, {"left-toe": 1.0}),
    Region("left-mouth", (-56, -6, 28), 19, {"tongue": 1.0}),
    Region("right-mouth", (56, -6, 28), 19, {"tongue": 1.0}),
    Region("left-cerebellum-hand", (-18, -52, -22), 15, {"left-finger": 0.35}),
    Region("right-cerebellum-hand", (18, -52, -22), 15, {"right-finger": 0.35}),
    Region("left-cerebellum-foot", (-10, -40, -20), 13, {"left-toe": 0.35}),
    Region("right-cerebellum-foot", (10, -40, -20), 13, {"right-toe": 0.35}),
    Region("left-cerebellum-mouth", (-18, -64, -22), 14, {"tongue": 0.35}),
    Region("right-cerebellum-mouth", (18, -64, -22), 14, {"tongue": 0.35}),
    Region("supplementary-motor", (0, -4, 58), 16, dict.fromkeys(EVENTS[1:], 0.35)),
    Region("left-visual", (-9, -90, 0), 22, {"cue": 1.0}),
    Region("right-visual", (9, -90, 0), 22, {"cue": 1.0}),
    Region("left-parietal", (-27, -62, 50), 15, {"cue": 0.4}),
    Region("right-parietal", (27, -62, 50), 15, {"cue": 0.4}),
)


@dataclass(frozen=True)
class Activation:
    """One subject's task response in space.

    Attributes
    ----------
    peaks : dict
        Event to the largest response, as a fraction of the baseline.
    maps : dict
        (event, region's name) to that region's share of the event's weights, on the anatomy's
        brain voxels (float32).
    """

    peaks: dict[str, float]
    maps: dict[tuple[str, str], np.ndarray]

    def weights(self, event: str) -> np.ndarray:
        """Weights of an event over brain voxels, 0 to 1 (float32)."""
        return np.sum([part for (name, _), part in self.maps.items() if name == event], axis=0)


def draw_activation(anatomy: Anatomy, scenario: Scenario, seed: int, index: int) -> Activation:
    """Place and scale the regions of one subject.

    A region is a patch of mostly grey matter; an event's weights are scaled
    to a maximum of 1.
    """
    rng = generator(seed, "activation", index)
    patches, strengths = {}, {}
    for region in REGIONS:
        centre = np.array(region.centre) + JITTER_MM * rng.standard_normal(3)
        patches[region.name] = anatomy.patch(centre, region.fwhm_mm)
        strengths[region.name] = np.exp(STRENGTH_SD * rng.standard_normal())
    peaks: dict[str, float] = {}
    maps: dict[tuple[str, str], np.ndarray] = {}
    for event in EVENTS:
        peak = PEAK[event] * np.exp(PEAK_SD * rng.standard_normal())
        peaks[event] = float(np.clip(peak, *PEAK_RANGE)) * scenario.activation
        parts = {
            region.name: patches[region.name] * strengths[region.name] * region.strength[event]
            for region in REGIONS
            if event in region.strength
        }
        largest = np.sum(list(parts.values()), axis=0).max()
        maps |= {(event, name): (part / largest).astype(np.float32) for name, part in parts.items()}
    return Activation(peaks, maps)
