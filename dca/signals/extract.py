"""From a preprocessed image to its shard: in-mask series, z-scored, in seeded random row order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from tqdm import tqdm

from dca.errors import ConfigError, ImageError
from dca.files import checksum
from dca.inputs.image import open_bold
from dca.preprocess.series import read_mask, volumes
from dca.signals.line import centred_times
from dca.signals.shard import Storage, chunk_rows, write_shard

logger = logging.getLogger(__name__)

# A constant series that went through a filter in float32 is left with about 1e-7 of its mean.
CONSTANT = 1e-6


def extract(
    bold: str | Path,
    mask: str | Path,
    out: str | Path,
    *,
    run_id: str,
    subject: str,
    tr: float,
    space: str | None,
    seed: int,
    preprocessing: Mapping[str, Any],
    length: int | None = None,
    storage: Storage = "float32",
    detrend: bool = False,
    threads: int = 1,
) -> dict[str, Any]:
    """Write the shard of one run.

    The image is read once, volume by volume, and unpacked in a thread of its own; besides one float32
    array of all in-mask values, memory is small. Mean, slope and standard deviation (over T, not T - 1) are
    summed up in float64 on the way.

    Parameters
    ----------
    bold : path
        4-D preprocessed image.
    mask : path
        3-D mask on its grid.
    out : path
        The shard.
    run_id, subject : str
    tr : float
        Repetition time in seconds.
    space : str or None
        Reference space of the image, where known.
    seed : int
        Seed of the row order; together with `run_id`, so that runs differ.
    preprocessing : mapping
        What was done to the image; kept in the shard.
    length : int, optional
        Number of volumes to keep from the start; all by default.
    storage : {"float32", "float16"}
        Numbers in the shard.
    detrend : bool
        Whether to take a straight line, by least squares over the kept volumes, out of every series. The
        standard deviation is then that around the line.
    threads : int
        Threads that normalise the series while others are written. Their number changes no bit of the result.

    Returns
    -------
    dict
        ``run_id``, ``n_voxels``, ``length``, ``in_mask``, ``excluded`` (reason to count),
        ``volumes_cut``.

    Raises
    ------
    ImageError
        If image or mask cannot be used, lie on different grids, or no voxel is left.
    ConfigError
        If `length` exceeds the run or is below 2.
    """
    image = open_bold(bold)
    kept = image.shape[3] if length is None else length
    if not 2 <= kept <= image.shape[3]:
        raise ConfigError(
            "signals.length",
            f"is {kept}, but run {run_id} has {image.shape[3]} volumes",
            "choose 2 or more, at most that",
        )
    inside = read_mask(mask, image)
    order = np.random.default_rng([seed, *run_id.encode()])
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        checksums = [pool.submit(checksum, path) for path in (bold, mask)]
        voxel, series, moments = _in_mask_series(image, inside, kept, order, detrend)
        mean, slope, std, reasons = moments.statistics()
        del moments  # its sums are as large as several volumes
        excluded = {name: int(found.sum()) for name, found in reasons.items()}
        usable = np.flatnonzero(~np.logical_or.reduce(list(reasons.values())))
        _refuse_empty(usable, excluded, bold, mask)
        for name, count in excluded.items():
            if count:
                logger.warning(
                    "%s: %d of %d in-mask voxels are %s and left out", run_id, count, len(voxel), name
                )
        write_shard(
            out,
            _normalised(series, usable, mean, slope, std, pool, max(threads, 1)),
            length=kept,
            voxel=voxel[usable],
            mean=mean[usable],
            std=std[usable],
            attributes={
                "run_id": run_id,
                "subject": subject,
                "tr": float(tr),
                "affine": image.affine.astype(np.float64),
                "shape": np.array(image.shape[:3], dtype=np.int64),
                "space": space,
                "seed": int(seed),
                "source": str(bold),
                "mask": str(mask),
                "source_sha256": checksums[0].result(),
                "mask_sha256": checksums[1].result(),
                "preprocessing": dict(preprocessing),
                "excluded": excluded,
                "detrended": detrend,
            },
            storage=storage,
        )
    return {
        "run_id": run_id,
        "n_voxels": len(usable),
        "length": kept,
        "in_mask": len(voxel),
        "excluded": excluded,
        "volumes_cut": image.shape[3] - kept,
    }


def _refuse_empty(
    usable: np.ndarray, excluded: Mapping[str, int], bold: str | Path, mask: str | Path
) -> None:
    if not usable.size:
        worst = max(excluded, key=lambda name: excluded[name])
        of = f"{excluded[worst]} of {sum(excluded.values())} are {worst}"
        raise ImageError(bold, f"has no usable voxel inside the mask {mask}: {of}", "check both")


def _in_mask_series(
    image: nib.Nifti1Image, inside: np.ndarray, length: int, order: np.random.Generator, detrend: bool
) -> tuple[np.ndarray, np.ndarray, _Moments]:
    """Flat C-order indices (N,) and float32 series (T, N) of the in-mask voxels, in random order."""
    voxel = order.permutation(np.flatnonzero(inside.ravel(order="F")))
    series = np.empty((length, len(voxel)), dtype=np.float32)
    moments = _Moments(len(voxel), detrend)
    source = tqdm(volumes(image, length), total=length, desc="signals", unit="volume")
    for row, volume in zip(series, source, strict=True):
        # A volume fits into the cache, the series do not: here the random order costs least.
        np.take(volume.ravel(order="F"), voxel, out=row, mode="clip")
        moments.add(row)
    places = np.unravel_index(voxel, inside.shape, order="F")
    return np.ravel_multi_index(places, inside.shape).astype(np.int64), series, moments


class _Moments:
    """Mean, slope and standard deviation of N voxels over the volumes seen so far, summed up in float64.

    The sums are those of the difference to the first volume, so that a large mean costs no digits.
    """

    def __init__(self, count: int, detrend: bool = False) -> None:
        self._seen = 0
        self._origin = np.zeros(count)
        self._sum, self._squares, self._change = np.zeros(count), np.zeros(count), np.empty(count)
        # The sum of the sums so far: it holds volume i (T - i) times, and needs no array for a product.
        self._sums = np.zeros(count) if detrend else None

    def add(self, values: np.ndarray) -> None:
        """Count one more volume, float32, shape (N,)."""
        if not self._seen:
            self._origin[:] = np.where(np.isfinite(values), values, 0)
        self._seen += 1
        with np.errstate(invalid="ignore"):  # a non-finite value makes its sums non-finite
            np.subtract(values, self._origin, out=self._change)
            self._sum += self._change
            if self._sums is not None:
                self._sums += self._sum
            self._squares += np.square(self._change, out=self._change)

    def statistics(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, dict[str, np.ndarray]]:
        """Mean, slope per volume if wanted, standard deviation (float64, shape (N,)), and unusable voxels.

        With a slope the standard deviation is that around the line. Unusable voxels (bool) are by reason.
        """
        nonfinite = ~(np.isfinite(self._sum) & np.isfinite(self._squares))
        slope = None
        with np.errstate(invalid="ignore"):
            offset = self._sum / self._seen
            mean = self._origin + offset
            variance = self._squares / self._seen - offset**2
            if self._sums is not None:
                spread = np.square(centred_times(self._seen)).sum()
                slope = ((self._seen + 1) / 2 * self._sum - self._sums) / spread
                variance -= slope**2 * spread / self._seen
            std = np.sqrt(np.maximum(variance, 0))
        constant = ~nonfinite & (std <= CONSTANT * np.abs(mean))
        return mean, slope, std, {"non-finite": nonfinite, "constant": constant}


def _normalised(
    series: np.ndarray,
    usable: np.ndarray,
    mean: np.ndarray,
    slope: np.ndarray | None,
    std: np.ndarray,
    pool: ThreadPoolExecutor,
    ahead: int,
) -> Iterator[np.ndarray]:
    """Blocks of rows (rows, T), float32, of the usable ones among the series (T, N), some computed ahead."""
    whole = len(usable) == series.shape[1]
    times = centred_times(len(series))

    def block(part: slice) -> np.ndarray:
        chosen = part if whole else usable[part]
        values = series[:, chosen].T.astype(np.float64)
        values -= mean[chosen, None]
        if slope is not None:
            for moment, at_time in zip(
                times, values.T, strict=True
            ):  # in memory order, without a second block
                at_time -= moment * slope[chosen]
        values /= std[chosen, None]
        return values.astype(np.float32, order="C")

    parts = _parts(len(usable), len(series))
    pending = deque(pool.submit(block, part) for part in islice(parts, ahead + 1))
    while pending:
        done = pending.popleft().result()
        pending.extend(pool.submit(block, part) for part in islice(parts, 1))
        yield done


def _parts(count: int, length: int) -> Iterator[slice]:
    step = chunk_rows(length)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
