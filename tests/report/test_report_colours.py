"""Colours are told apart with any colour vision, and are never the only sign."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from dca.report.picture import BLUE, GREEN, LOST, PHASES, SPARE, VERMILION
from dca.report.scales import COLOURS, Scale
from dca.report.slices import Sections, Volume, draw_map

# Machado, Oliveira & Fernandes (2009), severity 1, for linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def lab(colours, vision: str) -> np.ndarray:
    """CIE L*a*b* of sRGB colours as they are seen, shape (..., 3)."""
    colours = np.asarray(colours, float)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VISION[vision]).T, 0, 1)
    x = seen @ TO_XYZ.T / WHITE
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def nearest(colours, vision: str) -> float:
    seen = lab([to_rgb(colour) for colour in colours], vision)
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


def test_the_simulation_knows_red_and_green() -> None:
    def distance(vision):
        return np.linalg.norm(np.subtract(*lab([(0.8, 0.4, 0.3), (0.5, 0.55, 0.2)], vision)))

    assert distance("deuteranopia") < 0.4 * distance("normal")
    np.testing.assert_allclose(lab([1, 1, 1], "normal"), [100, 0, 0], atol=0.02)


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_told_apart(vision) -> None:
    below, above = (lab(COLOURS(np.linspace(*ends, 60))[:, :3], vision) for ends in ((0, 0.499), (0.501, 1)))
    # Any negative colour and any positive one, not only those of equal size.
    assert np.linalg.norm(below[:, None] - above, axis=-1).min() > 25
    assert nearest((BLUE, VERMILION), vision) > 50
    assert nearest((BLUE, VERMILION, GREEN), vision) > 15
    assert nearest([colour for colour, _ in PHASES.values()], vision) > 15


def test_phases_of_a_worker_differ_in_hatch_too() -> None:
    hatches = [hatch for _, hatch in PHASES.values()]
    assert len(set(hatches)) == len(hatches) and set(LOST) < set(PHASES)
    assert len({hatch for _, hatch in SPARE}) == len(SPARE)


@pytest.mark.parametrize(("value", "outlines"), [(5.0, 0), (-5.0, 3), (-1.0, 0)])
def test_what_is_negative_has_a_dashed_outline(value, outlines) -> None:
    data = np.zeros((8, 8, 8), np.float32)
    data[3:5, 3:5, 3:5] = value
    brain = Volume(np.ones_like(data), np.diag([4.0, 4, 4, 1]))
    values = Volume(data, brain.affine)
    axes = draw_map(values, brain, brain, (3, 3, 3), Scale(10.0, 3.0, "z"), "a map").figure.axes[0]
    found = [line for line in axes.collections if line.get_linestyle()[0][1] is not None]
    assert len(found) == outlines  # one for each plane
    for line in found:  # around the two voxels of 4 mm, along their edges
        extent = line.get_paths()[0].get_extents()
        assert extent.width == pytest.approx(8, abs=0.8) and extent.height == pytest.approx(8, abs=0.8)


@pytest.mark.parametrize(("value", "dotted"), [(5.0, False), (-5.0, True), (-1.0, False)])
def test_what_is_negative_has_dots_in_small_maps_too(value, dotted) -> None:
    data = np.zeros((16, 16, 16), np.float32)
    data[4:12, 4:12, 4:12] = value
    brain = Volume(np.ones_like(data), np.diag([4.0, 4, 4, 1]))
    picture = Sections(brain, brain, 64).picture(data, (7, 7, 7), Scale(10.0, 3.0, "coefficient"))
    white = (picture == 255).all(axis=-1)
    assert white.any() == dotted
    if dotted:  # in each of the three planes, every second pixel around 32 x 32, and none within
        per_plane = white.reshape(64, 3, 64).sum(axis=(0, 2))
        assert per_plane.tolist() == [62, 62, 62]
        assert not white[18:46, 18:46].any()
