"""The summary of one preprocessed run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dca.files import write_json
from dca.inputs.image import open_bold
from dca.preprocess.scan import unregistered
from dca.preprocess.series import read_mask, volumes


def tsnr_map(bold: str | Path, mask: str | Path) -> np.ndarray:
    """Temporal mean over temporal standard deviation of every in-mask voxel.

    Parameters
    ----------
    bold : path
        4-D image with its mean kept.
    mask : path
        3-D mask on its grid.

    Returns
    -------
    ndarray, float64, shape (X, Y, Z)
        NaN outside the mask and where a voxel is not finite or does not vary.
    """
    image = open_bold(bold)
    inside = read_mask(mask, image)
    # About the first volume, so that the squares do not lose the digits that matter.
    origin = next(volumes(image, 1))[inside].astype(np.float64)
    total, squares = np.zeros_like(origin), np.zeros_like(origin)
    for volume in volumes(image):
        change = volume[inside] - origin
        total += change
        squares += np.square(change)
    shift = total / image.shape[3]
    deviation = np.sqrt(np.maximum(squares / image.shape[3] - np.square(shift), 0))
    mean = shift + origin
    varies = np.isfinite(mean) & (deviation > 1e-6 * np.abs(mean))
    ratio = np.full(image.shape[:3], np.nan)
    ratio[inside] = np.divide(mean, deviation, out=np.full_like(mean, np.nan), where=varies)
    return ratio


def temporal_snr(bold: str | Path, mask: str | Path) -> float | None:
    """Median of `tsnr_map`; None if no in-mask voxel is finite and varies."""
    ratio = tsnr_map(bold, mask)
    known = ratio[np.isfinite(ratio)]
    return float(np.median(known)) if known.size else None


def write_summary(
    out: str | Path,
    bold: str | Path,
    mask: str | Path,
    *,
    run_id: str,
    backend: str,
    steps: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Write what was done to a run and what came of it as JSON.

    Parameters
    ----------
    out : path
    bold, mask : path
        The preprocessed image and its mask.
    run_id, backend : str
    steps : iterable of mapping
        Records that the steps returned, in order.

    Returns
    -------
    dict
        What was written: ``run_id``, ``backend``, ``volumes``, ``tsnr_median``, ``versions``,
        every number of the steps' records that the report shows (``mean_fd_mm``, …; None where a
        step was not run), and ``steps`` themselves.
    """
    steps = [dict(step) for step in steps]
    merged = {key: value for step in steps for key, value in step.items()}
    summary = {
        "run_id": run_id,
        "backend": backend,
        "volumes": int(open_bold(bold).shape[3]),
        "tsnr_median": temporal_snr(bold, mask),
        **{name: merged.get(name) for name in SHOWN},
        "versions": {"nibabel": nib.__version__, "numpy": np.__version__},
        "steps": steps,
    }
    lost = merged.get("unaligned_volumes")
    warnings = [f"volumes {lost} could not be aligned with the reference"] if lost else []
    warnings += [
        f"step {step['step']}: {unregistered(step['unusable_volumes'])}"
        for step in steps
        if step.get("unusable_volumes")
    ]
    summary["warnings"] = warnings + [text for step in steps for text in step.get("warnings", ())]
    write_json(out, summary)
    return summary


SHOWN = (
    "mask_voxels",
    "grand_mean",
    "mean_fd_mm",
    "max_fd_mm",
    "percent_fd_above_0.5mm",
    "reference_volume",
    "unusable_volumes",
    "unaligned_volumes",
    "censored_volumes",
    "nonfinite_values",
    "nonfinite_voxels",
    "space",
    "mask_in_template_percent",
    "csf_voxels",
    "white_matter_voxels",
)
