"""Slice timing: the slices of a volume, scanned one after another, brought to one time.

A cubic spline through the samples of a voxel is read at the middle of each volume, which is the time
that the GLM's design stands for. Before motion correction, while a slice still is a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline

from dca.errors import InputError
from dca.files import atomic, read_json
from dca.inputs.image import open_bold
from dca.inputs.remote import address, is_remote
from dca.inputs.sidecar import describing
from dca.preprocess.scan import scan_run
from dca.preprocess.series import SeriesWriter, volumes

REFERENCE = 0.5  # of a volume, after its start: what `dca.glm` takes a volume to stand for
AXES = {letter: axis for axis, letter in enumerate("ijk")}  # of SliceEncodingDirection
SHORTEST = 4  # volumes that a cubic spline needs


def read_slice_times(bold: str | Path, tr: float) -> tuple[list[float], str]:
    """Slice times of a run from the JSON files that describe it.

    Parameters
    ----------
    bold : path
    tr : float
        Repetition time in seconds.

    Returns
    -------
    times : list of float
        Seconds after the start of the volume, in the order of the file's slices.
    axis : {"i", "j", "k"}
        The axis of the slices.

    Raises
    ------
    InputError
        If there are none, they do not fit the image, or the image lies on S3.
    """
    if is_remote(bold):
        remedy = "copy the images and their JSON files here, or set preprocess.slice_timing: false"
        raise InputError(address(bold), "lies on S3, where slice timing is not supported", remedy)
    described: dict[str, Any] = {}
    for sidecar in describing(Path(bold)):
        described |= read_json(sidecar)
    remedy = "mend SliceTiming (seconds, one number a slice), or set preprocess.slice_timing: false"
    times = described.get("SliceTiming")
    if times is None:
        raise InputError(bold, "has no SliceTiming in its JSON", remedy)
    direction = str(described.get("SliceEncodingDirection", "k"))
    axis = direction.removesuffix("-")
    if axis not in AXES:
        raise InputError(bold, f"has SliceEncodingDirection {direction}, which is none of i, j, k", remedy)
    slices = open_bold(bold).shape[AXES[axis]]
    good = isinstance(times, list) and all(isinstance(t, int | float) and 0 <= t <= tr for t in times)
    if not good or len(times) != slices:
        said = f"{len(times)} numbers" if isinstance(times, list) else repr(times)
        raise InputError(
            bold, f"has a SliceTiming that is not {slices} numbers from 0 to TR {tr:g} s ({said})", remedy
        )
    times = [float(t) for t in times]
    return (times[::-1] if direction.endswith("-") else times), axis


def correct_slice_timing(
    bold: str | Path, out: str | Path, *, tr: float, times: Sequence[float], axis: str = "k"
) -> dict[str, Any]:
    """Interpolate every slice to the middle of its volume.

    Volumes that are constant or have no finite value have no part in it and stay as they are. A voxel
    with a non-finite value in any other volume is NaN there still; the others see the reference
    volume's value instead. Before the first and after the last sample a series goes on as it is there.

    Parameters
    ----------
    bold : path
        4-D image. One run as float32 is the memory that this step needs.
    out : path
        Corrected image, float32.
    tr : float
        Repetition time in seconds.
    times : sequence of float
        Seconds after the start of the volume, one for each slice.
    axis : {"i", "j", "k"}
        Axis of the slices.

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the image cannot be used.
    InputError
        If too few volumes can be used.
    """
    image = open_bold(bold)
    scan = scan_run(image, "slicetiming")
    kept = np.setdiff1d(np.arange(image.shape[3]), scan.unusable)
    if len(kept) < SHORTEST:
        raise InputError(
            bold,
            f"has {len(kept)} usable volumes, too few",
            "set preprocess.slice_timing: false",
        )
    series = np.empty((image.shape[3], *image.shape[:3]), dtype=np.float32)
    holes = []
    for stored, volume in zip(series, volumes(image), strict=True):
        holes.append(np.flatnonzero(~np.isfinite(volume)))
        stored[:] = volume if len(holes) - 1 in scan.unusable else scan.filled(volume)
    sliced = np.moveaxis(series, 1 + AXES[axis], 1)  # a view: time, slice, the rest
    for time in sorted(set(times)):
        operator = _shift(kept, time / tr)
        for number in np.flatnonzero(np.asarray(times) == time):
            plane = sliced[kept, number]
            sliced[kept, number] = (operator @ plane.reshape(len(kept), -1)).reshape(plane.shape)
    with atomic(out) as temporary, SeriesWriter(temporary, image) as writer:
        for stored, hole in zip(series, holes, strict=True):
            stored.reshape(-1)[hole] = np.nan
            writer.write(stored)
    return {
        "step": "slicetiming",
        "method": "cubic spline in time, to the middle of the volume",
        "reference_s": REFERENCE * tr,
        "slice_times_s": [min(times), max(times)],
    }


def _shift(kept: np.ndarray, sampled: float) -> np.ndarray:
    """Matrix that reads series, sampled at `kept` + `sampled`, at `kept` + the reference (in volumes)."""
    wanted = np.clip(kept + REFERENCE - sampled, kept[0], kept[-1])
    return make_interp_spline(kept, np.eye(len(kept)), k=3)(wanted)
