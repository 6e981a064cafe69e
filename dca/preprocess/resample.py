"""One interpolation for head motion and normalisation, from the volumes as they were scanned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from tqdm import tqdm

from dca.errors import ImageError, InputError
from dca.files import atomic, read_tsv
from dca.inputs.image import open_bold
from dca.preprocess.grid import take, take_at
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_parameters
from dca.preprocess.scan import scan_run
from dca.preprocess.series import SeriesWriter, read_volume, save_volume, volumes
from dca.preprocess.template import SPACE, template_image, template_mask
from dca.preprocess.warp import warped_points

ORDER = 3  # of the B-splines
INSIDE = 0.8  # share of the moved mask in the template's brain below which the report warns


@dataclass(frozen=True)
class OnGrid:
    """Images that go with a run, on one grid."""

    mask: str | Path
    mean: str | Path
    bias: str | Path | None = None


def resample(
    bold: str | Path,
    parameters: str | Path,
    matrix: str | Path,
    out_bold: str | Path,
    source: OnGrid,
    out: OnGrid,
    *,
    voxel_mm: int,
    warp: str | Path | None = None,
) -> dict[str, Any]:
    """Bring a run to the template's grid, each volume by one cubic B-spline interpolation.

    A voxel where some volume has no finite value is NaN throughout, as after motion correction.
    Beyond the edge of the grid that was scanned, the edge's values go on; the mask ends there.

    Parameters
    ----------
    bold : path
        The 4-D image before motion correction.
    parameters : path
        Its motion, from `dca.preprocess.motion.correct_motion`.
    matrix : path
        From `dca.preprocess.register.register_to_template`.
    out_bold : path
        The run on the template's grid, float32.
    source, out : OnGrid
        Mask, mean and bias field of the EPI, and where to write them for the template's grid: the
        mask by the nearest voxel, the mean that of the result, the field linearly.
    voxel_mm : int
        Voxel size of that grid.
    warp : path, optional
        From `dca.preprocess.warp.warp_to_template`.

    Returns
    -------
    dict
        Record of this step for the run's summary, with the ``space`` of the result, the percentage of the
        mask that lies in the template's brain, and a warning if that is small.

    Raises
    ------
    ImageError
        If an image is damaged, or nothing of the brain falls into the template.
    InputError
        If the motion is of another run.
    """
    image, target = open_bold(bold), template_image(voxel_mm)
    rows = read_tsv(parameters)[list(PARAMETERS)].to_numpy(float)
    if len(rows) != image.shape[3]:
        raise InputError(
            parameters, f"has {len(rows)} rows for {image.shape[3]} volumes", "delete it: it is written anew"
        )
    to_epi = np.loadtxt(matrix)
    to_voxel = np.linalg.inv(image.affine)
    still = to_voxel @ to_epi
    sample = _sampler(target, warp)
    inside = sample(read_volume(source.mask)[1], still, 0, "constant") > 0
    if not inside.any():
        raise ImageError(
            bold,
            "has no brain inside the template: registration went astray",
            "look at the mean EPI; preprocess.registration: none keeps the run's own space",
        )
    scan = scan_run(image, "resample")
    lost = sample(scan.nonfinite.astype(np.float32), still, 0, "constant") > 0
    motion = matrices_from_parameters(rows, grid_centre(image.affine, image.shape))
    total = np.zeros(target.shape)
    with atomic(out_bold) as temporary, SeriesWriter(temporary, image, grid=target) as writer:
        pairs = zip(volumes(image), motion, strict=True)
        for volume, moved in tqdm(pairs, total=len(motion), desc="resample", unit="volume"):
            result = sample(scan.filled(volume), to_voxel @ moved @ to_epi, ORDER, "nearest")
            result[lost] = np.nan
            total += result
            writer.write(result)
    with atomic(out.mask) as temporary:
        save_volume(temporary, inside, target)
    with atomic(out.mean) as temporary:
        save_volume(temporary, total / image.shape[3], target)
    if source.bias and out.bias:
        field = sample(read_volume(source.bias)[1], still, 1, "nearest")
        with atomic(out.bias) as temporary:
            save_volume(temporary, field, target)
    share = float(inside[np.asarray(template_mask(voxel_mm).dataobj) > 0].sum() / inside.sum())
    astray = f"only {100 * share:.0f} % of the mask lies in the template's brain: look at the registration"
    return {
        "step": "resample",
        "method": "motion and normalisation in one cubic B-spline interpolation",
        "space": SPACE,
        "voxel_mm": voxel_mm,
        "mask_in_template_percent": 100 * share,
        "mask_voxels": int(inside.sum()),
        "warnings": [astray] if share < INSIDE else [],
    }


def _sampler(
    grid: nib.Nifti1Image, warp: str | Path | None
) -> Callable[[np.ndarray, np.ndarray, int, str], np.ndarray]:
    """What samples data on the grid, given the matrix from its mm to voxels of the data, order and edge."""
    if warp is None:
        return lambda data, index, order, mode: take(
            data, index @ grid.affine, grid.shape, order=order, mode=mode
        )
    points = warped_points(warp, grid)
    return lambda data, index, order, mode: take_at(data, points, index, order=order, mode=mode)
