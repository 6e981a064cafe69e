"""From a preprocessed image to its shard: in-mask series, z-scored, in seeded random row order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from tqdm import tqdm

from dca.errors import ConfigError, ImageError
from dca.files import checksum
from dca.inputs.image import open_bold
from dca.preprocess.series import read_mask, volumes
from dca.signals.shard import chunk_rows, write_shard

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
    threads: int = 1,
) -> dict[str, Any]:
    """Write the shard of one run.

    The image is read once, volume by volume, and unpacked in a thread of its own; besides one float32
    array of all in-mask values, memory is small. Mean and standard deviation (over T, not T - 1) are
    computed in float64.

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
    threads : int
        Threads that normalise the series. Their number changes no bit of the result.

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
        voxel, series = _in_mask_series(image, inside, kept, order)
        mean, std, reasons = _normalise(series, pool)
        source_sha256, mask_sha256 = (checksum.result() for checksum in checksums)
    excluded = {name: int(found.sum()) for name, found in reasons.items()}
    usable = ~np.logical_or.reduce(list(reasons.values()))
    if not usable.any():
        worst = max(excluded, key=lambda name: excluded[name])
        raise ImageError(
            bold,
            f"has no usable voxel inside the mask {mask}: {excluded[worst]} of {len(voxel)} are {worst}",
            "check both",
        )
    for name, count in excluded.items():
        if count:
            logger.warning("%s: %d of %d in-mask voxels are %s and left out", run_id, count, len(voxel), name)
    write_shard(
        out,
        _rows(series, usable),
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
            "source_sha256": source_sha256,
            "mask_sha256": mask_sha256,
            "preprocessing": dict(preprocessing),
            "excluded": excluded,
        },
    )
    return {
        "run_id": run_id,
        "n_voxels": int(usable.sum()),
        "length": kept,
        "in_mask": len(voxel),
        "excluded": excluded,
        "volumes_cut": image.shape[3] - kept,
    }


def _in_mask_series(
    image: nib.Nifti1Image, inside: np.ndarray, length: int, order: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Flat C-order indices (N,) and float32 series (T, N) of the in-mask voxels, in random order."""
    voxel = order.permutation(np.flatnonzero(inside.ravel(order="F")))
    series = np.empty((length, len(voxel)), dtype=np.float32)
    source = tqdm(volumes(image, length), total=length, desc="signals", unit="volume")
    for row, volume in zip(series, source, strict=True):
        # A volume fits into the cache, the series do not: here the random order costs least.
        np.take(volume.ravel(order="F"), voxel, out=row, mode="clip")
    places = np.unravel_index(voxel, inside.shape, order="F")
    return np.ravel_multi_index(places, inside.shape).astype(np.int64), series


def _normalise(
    series: np.ndarray, pool: ThreadPoolExecutor
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Z-score series (T, N) in place, a block of columns at a time.

    Returns mean and standard deviation (float64, shape (N,)) and, by reason, which are unusable (bool).
    """
    length, count = series.shape
    mean, std = np.zeros(count), np.zeros(count)
    nonfinite, constant = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)

    def normalise(part: slice) -> None:
        block = series[:, part].astype(np.float64)
        nonfinite[part] = ~np.isfinite(block).all(axis=0)
        block[:, nonfinite[part]] = 0
        mean[part] = block.mean(axis=0)
        block -= mean[part]
        std[part] = np.sqrt(np.einsum("tn,tn->n", block, block) / length)
        constant[part] = ~nonfinite[part] & (std[part] <= CONSTANT * np.abs(mean[part]))
        np.divide(block, std[part], out=series[:, part], where=std[part] > 0, casting="same_kind")

    for _ in pool.map(normalise, _parts(count, length)):
        pass
    return mean, std, {"non-finite": nonfinite, "constant": constant}


def _rows(series: np.ndarray, usable: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of rows (rows, T) of the usable series (T, N)."""
    kept = slice(None) if usable.all() else np.flatnonzero(usable)
    for part in _parts(int(usable.sum()), len(series)):
        yield np.ascontiguousarray(series[:, part if isinstance(kept, slice) else kept[part]].T)


def _parts(count: int, length: int) -> Iterator[slice]:
    step = chunk_rows(length)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
