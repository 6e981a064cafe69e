"""Grand-mean scaling, so that signal changes of different runs share one unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dca.errors import ImageError
from dca.files import atomic
from dca.inputs.image import open_bold
from dca.preprocess.series import SeriesWriter, read_mask, read_volume, volumes

TARGET = 10_000.0


def grand_median(bold: str | Path, mask: str | Path, bias: str | Path | None = None) -> float:
    """Median over all volumes of all finite in-mask values.

    Parameters
    ----------
    bold : path
        4-D image.
    mask : path
        3-D mask on its grid.
    bias : path, optional
        Bias field on its grid, which is divided out first.

    Returns
    -------
    float

    Raises
    ------
    ImageError
        If no in-mask value is finite, or their median is not positive, as in images without a mean.
    """
    image = open_bold(bold)
    inside = read_mask(mask, image)
    values = np.empty((image.shape[3], int(inside.sum())), np.float32)
    field = np.float32(1) if bias is None else read_volume(bias)[1][inside]
    for row, volume in zip(values, volumes(image), strict=True):
        row[:] = volume[inside] / field
    flat = values.reshape(-1)
    finite = np.isfinite(flat)
    if not finite.all():
        flat = flat[finite]
    if not flat.size:
        raise ImageError(bold, "has no finite value inside the mask", "check the image and its mask")
    median = float(np.median(flat, overwrite_input=True))
    if not median > 0:
        raise ImageError(
            bold,
            f"has an in-mask median of {median:g}, so it has no scale",
            "use backend: none for demeaned data",
        )
    return median


def scale(
    bold: str | Path,
    mask: str | Path,
    out: str | Path,
    *,
    bias: str | Path | None = None,
    target: float = TARGET,
) -> dict[str, Any]:
    """Multiply a run by one number, so that its in-mask median over time becomes `target`.

    This is the grand-mean intensity normalisation of FSL's FEAT, whose "grand mean" is the median
    of the 4-D image inside the mask; 10,000 is its target too.

    Parameters
    ----------
    bold : path
        4-D image.
    mask : path
        3-D mask on its grid.
    out : path
        Scaled image, float32.
    bias : path, optional
        Bias field from `dca.preprocess.bias`, by which every volume is divided in the same pass.
    target : float

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the median is not positive, as in images without a mean.
    """
    median = grand_median(bold, mask, bias)
    image = open_bold(bold)
    field = np.float32(1) if bias is None else read_volume(bias)[1]
    factor = np.float32(target / median) / field
    with atomic(out) as temporary, SeriesWriter(temporary, image) as writer:
        for volume in tqdm(volumes(image), total=image.shape[3], desc="scale", unit="volume"):
            writer.write(volume * factor)
    return {
        "step": "scale",
        "method": "in-mask 4-D median to target" + ("" if bias is None else ", bias field divided out"),
        "target": target,
        "grand_mean": median,
    }
