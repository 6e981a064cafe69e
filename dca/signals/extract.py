"""From a preprocessed image to its shard: in-mask series, z-scored, in seeded random row order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
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
) -> dict[str, Any]:
    """Write the shard of one run.

    The image is read once, volume by volume; besides one float32 array of all in-mask values,
    memory is small. Mean and standard deviation (over T, not T - 1) are computed in float64.

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
    voxel, series = _in_mask_series(image, inside, kept)
    mean, std, reasons = _statistics(series)
    excluded = {name: int(found.sum()) for name, found in reasons.items()}
    usable = np.flatnonzero(~np.logical_or.reduce(list(reasons.values())))
    if not usable.size:
        worst = max(excluded, key=lambda name: excluded[name])
        raise ImageError(
            bold,
            f"has no usable voxel inside the mask {mask}: {excluded[worst]} of {len(voxel)} are {worst}",
            "check both",
        )
    for name, count in excluded.items():
        if count:
            logger.warning("%s: %d of %d in-mask voxels are %s and left out", run_id, count, len(voxel), name)
    rows = np.random.default_rng([seed, *run_id.encode()]).permutation(usable)
    write_shard(
        out,
        _normalised_blocks(series, rows, mean, std),
        length=kept,
        voxel=voxel[rows],
        mean=mean[rows],
        std=std[rows],
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
            "source_sha256": checksum(bold),
            "mask_sha256": checksum(mask),
            "preprocessing": dict(preprocessing),
            "excluded": excluded,
        },
    )
    return {
        "run_id": run_id,
        "n_voxels": len(rows),
        "length": kept,
        "in_mask": len(voxel),
        "excluded": excluded,
        "volumes_cut": image.shape[3] - kept,
    }


def _in_mask_series(image: nib.Nifti1Image, inside: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat C-order indices (N,) and float32 series (T, N) of the in-mask voxels."""
    # In the order of the file (first axis fastest), so that a volume is gathered front to back.
    stored = np.flatnonzero(inside.ravel(order="F"))
    voxel = np.ravel_multi_index(np.unravel_index(stored, inside.shape, order="F"), inside.shape)
    series = np.empty((length, len(stored)), dtype=np.float32)
    source = tqdm(volumes(image, length), total=length, desc="signals", unit="volume")
    for row, volume in zip(series, source, strict=True):
        np.take(volume.ravel(order="F"), stored, out=row)
    return voxel.astype(np.int64), series


def _statistics(series: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Mean and standard deviation (float64, shape (N,)) and, by reason, who is unusable (bool)."""
    length, count = series.shape
    mean, std = np.zeros(count), np.zeros(count)
    nonfinite = np.zeros(count, dtype=bool)
    for part in _parts(count, length):
        block = series[:, part].astype(np.float64)
        nonfinite[part] = ~np.isfinite(block).all(axis=0)
        block[:, nonfinite[part]] = 0
        mean[part] = block.mean(axis=0)
        block -= mean[part]
        std[part] = np.sqrt(np.einsum("tn,tn->n", block, block) / length)
    constant = ~nonfinite & (std <= CONSTANT * np.abs(mean))
    return mean, std, {"non-finite": nonfinite, "constant": constant}


def _normalised_blocks(
    series: np.ndarray, rows: np.ndarray, mean: np.ndarray, std: np.ndarray
) -> Iterator[np.ndarray]:
    for part in _parts(len(rows), len(series)):
        chosen = rows[part]
        block = series[:, chosen].T.astype(np.float64)
        block -= mean[chosen, None]
        block /= std[chosen, None]
        yield block.astype(np.float32)


def _parts(count: int, length: int) -> Iterator[slice]:
    step = chunk_rows(length)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
