"""Rigid motion of the head: how it goes, and how it moves an image.

Convention, that of `dca.preprocess`. Six numbers per volume: translations in mm along the world axes
(RAS mm), and right-handed rotations in radians about them and the centre c of the image grid. A point
of the head that is at x in the first volume is in this volume at::

    M x = Rz(rot_z) Ry(rot_y) Rx(rot_x) (x − c) + c + (trans_x, trans_y, trans_z)

so that ``volume_t(x) = volume_0(M⁻¹ x)``. The first row is zero.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dca.simulate.fluctuations import breathing
from dca.simulate.scenario import Scenario, artefact_factor, generator

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
COLUMNS = {
    "trans_*": "Translation in mm along the world axis (RAS); see dca.simulate.motion for the convention.",
    "rot_*": "Right-handed rotation in radians about the world axis through the centre of the grid, x first.",
}
DEGREES_PER_MM = 1.0
# Heads mostly nod and slide along the bore: share of each parameter in the whole.
SHARES = np.array([0.35, 0.6, 1.0, 1.0, 0.4, 0.4])
SLOW_S = 50.0  # SD of the Gaussian that smooths a random walk into sway
BREATH_SHARE, TREMOR_SHARE = 0.06, 0.04  # SD of breathing and of quick tremor
BURST_S, BURST_SHARE = (4.0, 10.0), 0.15  # length of a burst, and SD of its displacement in every volume
JERKS_PER_MIN, JERK_SHARE, JERK_S = 0.5, 0.35, 1.5  # jerks: number, size, and time to settle back


def draw_motion(
    scenario: Scenario, seed: int, index: int, run: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw the motion of one run: slow sway, breathing, tremor, some jerks, and bursts.

    Returns
    -------
    parameters : ndarray, (volumes, 6), float64
        In order of `PARAMETERS`.
    moves : dict of ndarray of int
        Volumes at which the head jerked, and at which bursts of motion began, as ``jerk`` and ``burst``.
    """
    rng = generator(seed, "motion", index, run)
    time = np.arange(scenario.volumes) * scenario.tr
    steps = rng.standard_normal((scenario.volumes, 6))
    sway = ndimage.gaussian_filter1d(np.cumsum(steps, axis=0), SLOW_S / scenario.tr, axis=0)
    sway -= sway[0]
    sway /= np.abs(sway).max(axis=0) + 1e-12
    chest = breathing(scenario, seed, index, run)[:, None]
    quick = BREATH_SHARE * chest * np.array([0, 0.5, 1, 1, 0, 0])
    quick += TREMOR_SHARE * rng.standard_normal(quick.shape)
    rate = JERKS_PER_MIN * artefact_factor(scenario, seed, index, run)
    jerks, jerking = _jerks(generator(seed, "jerks", index, run), time, rate)
    bursts, bursting = _bursts(generator(seed, "bursts", index, run), time, scenario.bursts)
    if not scenario.artefacts:
        jerks, jerking, bursts, bursting = jerks[:0], 0 * jerking, bursts[:0], 0 * bursting
    parameters = (sway + jerking + bursting) * SHARES + quick
    parameters -= parameters[0]
    # The largest translation is the scenario's, give or take what subjects differ by.
    size = scenario.motion_mm * np.clip(np.exp(0.3 * rng.standard_normal()), 0.5, 1.6)
    parameters *= size / np.abs(parameters).max()
    parameters[:, 3:] *= np.deg2rad(DEGREES_PER_MM)
    return parameters, {"jerk": jerks, "burst": bursts}


def _bursts(rng: np.random.Generator, time: np.ndarray, per_min: float) -> tuple[np.ndarray, np.ndarray]:
    """Restless seconds: another place in every volume, as in a cough."""
    number = rng.poisson(per_min * time[-1] / 60)
    first = np.sort(rng.choice(np.arange(2, len(time)), min(number, len(time) // 4), replace=False))
    course = np.zeros((len(time), 6))
    for volume in first:
        inside = (time >= time[volume]) & (time < time[volume] + rng.uniform(*BURST_S))
        course[inside] += BURST_SHARE * rng.standard_normal((int(inside.sum()), 6))
    return first, course


def _jerks(rng: np.random.Generator, time: np.ndarray, per_min: float) -> tuple[np.ndarray, np.ndarray]:
    """Sudden shifts that settle back by two thirds."""
    number = rng.poisson(per_min * time[-1] / 60)
    volumes = np.sort(rng.choice(np.arange(2, len(time)), min(number, len(time) // 4), replace=False))
    course = np.zeros((len(time), 6))
    for volume in volumes:
        since = np.maximum(time - time[volume], 0)[:, None]
        shape = (time >= time[volume])[:, None] * (1 + 2 * np.exp(-since / JERK_S)) / 3
        course += JERK_SHARE * rng.standard_normal(6) * shape
    return volumes, course


def grid_centre(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Centre of an image grid in mm, (3,)."""
    return affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2) + affine[:3, 3]


def matrices(parameters: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """World-space 4×4 matrices of motion parameters.

    Parameters
    ----------
    parameters : ndarray, (volumes, 6)
        mm and radians, in order of `PARAMETERS`.
    centre : ndarray, (3,)
        Centre of rotation in mm, see `grid_centre`.

    Returns
    -------
    ndarray, (volumes, 4, 4), float64
        From a point's place in the first volume to its place in each volume, in mm.
    """
    result = np.tile(np.eye(4), (len(parameters), 1, 1))
    rotation = Rotation.from_euler("xyz", parameters[:, 3:]).as_matrix()
    result[:, :3, :3] = rotation
    result[:, :3, 3] = parameters[:, :3] + centre - rotation @ centre
    return result


class Mover:
    """Moves whole images by cubic splines, evaluated only where there is a head.

    Parameters
    ----------
    baseline : ndarray, (X, Y, Z)
        Image of the head at rest; voxels far from all of its signal stay zero.
    affine : ndarray, (4, 4)
        Voxel to mm.
    reach_mm : float
        Largest displacement to provide for.
    """

    def __init__(self, baseline: np.ndarray, affine: np.ndarray, reach_mm: float) -> None:
        rounds = int(np.ceil(reach_mm / affine[0, 0])) + 1
        head = ndimage.binary_dilation(baseline > 0.005 * baseline.max(), iterations=rounds)
        self._head = head
        self._index = np.argwhere(head).T.astype(np.float64)
        self._affine = affine

    def __call__(self, image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Image after the motion (float32); beyond the edges it continues as at the edge."""
        backward = np.linalg.solve(matrix @ self._affine, self._affine)
        where = backward[:3, :3] @ self._index + backward[:3, 3:]
        moved = np.zeros(image.shape, np.float32)
        moved[self._head] = ndimage.map_coordinates(image, where, output=np.float32, order=3, mode="nearest")
        return moved
