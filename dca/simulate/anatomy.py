"""The simulated head: a reduced MNI grid with tissue shares and a T2*-weighted baseline.

Built from the ICBM152 2009a tissue maps that come with nilearn; nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

BOX_MM = np.array([[-90.0, 90.0], [-125.0, 90.0], [-80.0, 100.0]])  # head with a margin for motion
FINE_MM = 2  # grid on which tissue is prepared before it is reduced
PAD_MM = 20
SPREAD = 1.5  # FWHM of the point spread in voxels, so that splines can follow the head's motion
GREY, WHITE, FLUID, SCALP = 1000.0, 800.0, 1300.0, 250.0  # baseline intensity; fat is suppressed
SKULL_MM, SCALP_MM = 6.0, 12.0  # distance from the brain where scalp begins and ends
# Signal lost above the sinuses and the ear canals: centre (MNI mm), FWHM (mm), largest loss.
DROPOUT = (
    ((0.0, 36.0, -22.0), 34.0, 0.6),
    ((-52.0, -28.0, -28.0), 26.0, 0.5),
    ((52.0, -28.0, -28.0), 26.0, 0.5),
)
# A head coil receives the cortex better than the middle: 0.75 at the centre, rising by 0.5 per (70 mm)².
COIL_CENTRE, COIL_MM = (0.0, -20.0, 10.0), 70.0
FWHM = 2 * np.sqrt(2 * np.log(2))


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A head on one grid.

    Attributes
    ----------
    affine : ndarray, (4, 4)
        Voxel to MNI mm, RAS.
    brain : ndarray of bool, (X, Y, Z)
        Voxels that are at least half brain.
    grey, fluid : ndarray of float32, (brain voxels,)
        Shares of grey matter and of cerebrospinal fluid, in C order of `brain`.
    baseline : ndarray of float32, (X, Y, Z)
        Noise-free intensity, scalp included.
    position : ndarray of float32, (brain voxels, 3)
        MNI mm.
    """

    affine: np.ndarray
    brain: np.ndarray
    grey: np.ndarray
    fluid: np.ndarray
    baseline: np.ndarray
    position: np.ndarray

    @property
    def voxel_mm(self) -> float:
        """Edge of a voxel in mm."""
        return float(self.affine[0, 0])

    def patch(self, centre: np.ndarray, fwhm_mm: float) -> np.ndarray:
        """Patch of mostly grey matter over brain voxels, flat in the middle, at most 1 (float32).

        It falls with the fourth power of the distance, as exp(−ln 2 · (2 d / FWHM)⁴).
        """
        squared = np.sum((self.position - centre) ** 2, axis=1) * (2 / fwhm_mm) ** 2
        # Grey matter shows the response; white matter and fluid some of it, through draining veins.
        return (np.exp(-np.log(2) * squared**2) * (0.75 + 0.25 * self.grey)).astype(np.float32)

    def volume(self, values: np.ndarray) -> np.ndarray:
        """Put values of brain voxels on the grid, zero elsewhere."""
        grid = np.zeros(self.brain.shape, values.dtype)
        grid[self.brain] = values
        return grid


@lru_cache(maxsize=2)
def load_anatomy(voxel_mm: float) -> Anatomy:
    """Build the head on isotropic voxels of `voxel_mm`."""
    affine, shape = _grid(voxel_mm)
    brain, grey, white, scalp = (_reduce(share, affine, shape, voxel_mm) for share in _fine_shares())
    fluid = np.clip(brain - grey - white, 0, 1)
    baseline = GREY * grey + WHITE * white + FLUID * fluid
    baseline += SCALP * scalp
    everywhere = _positions(affine, shape, np.ones(shape, bool)).reshape(*shape, 3)
    baseline *= 0.75 + 0.5 * np.sum((everywhere - COIL_CENTRE) ** 2, axis=-1) / COIL_MM**2
    for centre, fwhm, loss in DROPOUT:
        distance = np.sum((everywhere - centre) ** 2, axis=-1)
        baseline *= 1 - loss * np.exp(-distance / (2 * (fwhm / FWHM) ** 2))
    inside = brain >= 0.5
    return Anatomy(
        affine=affine,
        brain=inside,
        grey=grey[inside].astype(np.float32),
        fluid=fluid[inside].astype(np.float32),
        baseline=baseline.astype(np.float32),
        position=_positions(affine, shape, inside).astype(np.float32),
    )


def _grid(voxel_mm: float) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Smallest grid through the origin that covers the box."""
    low, high = np.floor(BOX_MM[:, 0] / voxel_mm), np.ceil(BOX_MM[:, 1] / voxel_mm)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = low * voxel_mm
    x, y, z = (high - low + 1).astype(int)
    return affine, (int(x), int(y), int(z))


def _positions(affine: np.ndarray, shape: tuple[int, int, int], mask: np.ndarray) -> np.ndarray:
    """World coordinates of the mask's voxels in C order."""
    return np.argwhere(mask.reshape(shape)) @ affine[:3, :3].T + affine[:3, 3]


@lru_cache(maxsize=1)
def _fine_affine_and_shares() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Shares of brain, grey matter, white matter and scalp on the fine grid, padded."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template

    images = [
        load(resolution=1)
        for load in (load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template)
    ]
    brain, grey, white = (
        np.pad(_halve(image.get_fdata(dtype=np.float32)), PAD_MM // FINE_MM) for image in images
    )
    affine = images[0].affine.copy()
    affine[:3, :3] *= FINE_MM
    affine[:3, 3] += (FINE_MM - 1) / 2 - PAD_MM
    outside = ndimage.distance_transform_edt(brain < 0.5) * FINE_MM
    scalp = ((outside > SKULL_MM) & (outside < SCALP_MM)).astype(np.float32)
    return affine, (brain, grey * brain, white * brain, scalp)


def _halve(fine: np.ndarray) -> np.ndarray:
    """Mean over blocks of 2×2×2 voxels; an odd last plane is left out."""
    x, y, z = (size // FINE_MM for size in fine.shape)
    even = fine[: x * FINE_MM, : y * FINE_MM, : z * FINE_MM]
    return even.reshape(x, FINE_MM, y, FINE_MM, z, FINE_MM).mean(axis=(1, 3, 5))


def _fine_shares() -> tuple[np.ndarray, ...]:
    return _fine_affine_and_shares()[1]


def _reduce(
    share: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int], voxel_mm: float
) -> np.ndarray:
    """Sample a fine share on the grid after smoothing by the point spread of its voxels."""
    fine = _fine_affine_and_shares()[0]
    smooth = ndimage.gaussian_filter(share, SPREAD * voxel_mm / FINE_MM / FWHM, truncate=3)
    to_fine = np.linalg.solve(fine, affine)
    return ndimage.affine_transform(
        smooth, to_fine[:3, :3], to_fine[:3, 3], output_shape=shape, order=1, mode="nearest"
    )
