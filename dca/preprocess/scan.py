"""A first look at a run: what is finite, what changes, which volume is the reference."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

from dca.errors import ImageError
from dca.preprocess.series import volumes

logger = logging.getLogger(__name__)

ALIKE = 0.5  # correlation with the reference below which a volume was not aligned; noise leaves above 0.9
CANDIDATES = 11  # volumes in the middle of the run among which the reference is chosen


@dataclass(frozen=True)
class Scan:
    """What a first look at a run found.

    Attributes
    ----------
    reference : int
        The volume, of the 11 in the middle of the run, that is nearest to their median.
    base : ndarray, float32, shape (X, Y, Z)
        The reference volume, non-finite values as 0.
    unusable : list of int
        Volumes that are constant or have no finite value.
    nonfinite : ndarray, bool, shape (X, Y, Z)
        Not finite in some usable volume.
    nonfinite_values : int
        Their number over all volumes.
    """

    reference: int
    base: np.ndarray
    unusable: list[int]
    nonfinite: np.ndarray
    nonfinite_values: int

    @property
    def counts(self) -> dict[str, Any]:
        """What is left out, for the record of the step."""
        return {
            "unusable_volumes": self.unusable,
            "nonfinite_values": self.nonfinite_values,
            "nonfinite_voxels": int(self.nonfinite.sum()),
        }

    def filled(self, volume: np.ndarray) -> np.ndarray:
        """Take the reference's value where a volume has none that is finite."""
        return np.where(np.isfinite(volume), volume, self.base)


def scan_run(image: nib.Nifti1Image, step: str) -> Scan:
    """Look at every volume of a run once.

    Parameters
    ----------
    image : Nifti1Image
        From `dca.inputs.image.open_bold`.
    step : str
        The step that asks, for the log.

    Raises
    ------
    ImageError
        If it cannot be used: damaged, all non-finite, unchanging.
    """
    path, length = str(image.get_filename()), image.shape[3]
    first = max(0, (length - CANDIDATES) // 2)
    nonfinite = np.zeros(image.shape[:3], dtype=bool)
    unusable, candidates, spare, nonfinite_values, moves = [], {}, None, 0, False
    before = None
    for t, volume in enumerate(volumes(image)):
        finite = np.isfinite(volume)
        nonfinite_values += int(volume.size - finite.sum())
        known = volume[finite]
        if not known.size or known.min() == known.max():
            unusable.append(t)
            continue
        nonfinite |= ~finite
        moves = moves or (before is not None and not np.array_equal(before, volume, equal_nan=True))
        before = volume
        if first <= t < first + CANDIDATES:
            candidates[t] = volume
        elif spare is None or abs(t - length // 2) < abs(spare[0] - length // 2):
            spare = t, volume
    if len(unusable) == length and nonfinite_values == length * nonfinite.size:
        raise ImageError(path, "holds no finite value", "export the run again")
    if not moves:
        raise ImageError(path, "does not change over time", "export the run again")
    if nonfinite.all():
        raise ImageError(path, "has a non-finite value at every voxel", "remove or mend the broken volumes")
    if unusable:
        logger.info("%s, step %s: %s", path, step, unregistered(unusable))
    if not candidates and spare is not None:
        candidates[spare[0]] = spare[1]
    reference = _nearest_to_median(candidates)
    base = np.where(np.isfinite(candidates[reference]), candidates[reference], np.float32(0))
    return Scan(reference, base, unusable, nonfinite, nonfinite_values)


def unregistered(volumes: list[int]) -> str:
    """Words for volumes that cannot be registered, with their number."""
    return f"constant or empty volumes stay unregistered: {len(volumes)} ({', '.join(map(str, volumes))})"


def is_alike(volume: np.ndarray, reference: np.ndarray) -> bool:
    """Whether an aligned volume looks like what it was aligned with; both finite, shape (X, Y, Z)."""
    return bool(np.corrcoef(volume.ravel("F"), reference.ravel("F"))[0, 1] >= ALIKE)


def _nearest_to_median(candidates: dict[int, np.ndarray]) -> int:
    stack = np.nan_to_num(np.stack(list(candidates.values())), posinf=0, neginf=0)
    distance = np.square(stack - np.median(stack, axis=0)).mean(axis=(1, 2, 3), dtype=np.float64)
    return list(candidates)[int(distance.argmin())]
