"""White matter and cerebrospinal fluid of a run, from the T1w image of its subject."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from dca.errors import ImageError
from dca.files import atomic
from dca.inputs.image import DAMAGED
from dca.preprocess.bias import estimate_field
from dca.preprocess.grid import take
from dca.preprocess.itk import from_itk, to_itk, toolkit
from dca.preprocess.mask import fill_nonfinite
from dca.preprocess.register import align
from dca.preprocess.series import read_volume, save_volume

logger = logging.getLogger(__name__)

GRID_MM = 2.0  # voxel size on which tissue is told apart
BRAIN_MM = 4.0  # depth in the EPI's mask from which on a voxel is surely brain, not meninges or skull
VENTRICLE_MM = (
    10.0  # ... and from which on fluid is that of the ventricles: at the surface it moves with the head
)
SURE = 0.95  # smallest probability of a tissue, as a mean over a voxel of the run
FEWEST = 10  # voxels below which a tissue's mask is empty
APART = 0.5  # distance of fluid from grey matter, relative to that of grey from white; about 1 in T1w images
SAMPLE = 50_000  # voxels that the mixture is fitted to


def find_tissue(
    mean: str | Path,
    mask: str | Path,
    t1w: str | Path,
    out_csf: str | Path,
    out_white_matter: str | Path,
    *,
    normalised: bool,
    seed: int,
    threads: int = 1,
) -> dict[str, Any]:
    """Find voxels of a run that hold nothing but white matter, or fluid of the ventricles.

    The T1w image is registered to the mean EPI (6 degrees of freedom; 12 if that is in the template's
    space), its bias field divided out (N4), and a mixture of three Gaussians fitted to its values in
    the brain: fluid, grey matter, white matter. What the mask of the run says is brain is brain.

    Parameters
    ----------
    mean, mask : path
        Mean EPI and its brain, on the run's grid.
    t1w : path
        T1w image of the subject, with or without skull.
    out_csf, out_white_matter : path
        Masks on the run's grid, uint8; empty, with a warning, if fewer than 10 voxels are sure, or the
        T1w image cannot be used.
    normalised : bool
        Whether the run is in the template's space.
    seed : int
        Of the sample that the mixture is fitted to.
    threads : int

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the mean or the mask is damaged.
    """
    image, data = read_volume(mean)
    brain = read_volume(mask)[1] > 0
    still = (fill_nonfinite(data), image.affine)
    warnings = []
    try:
        shares = _shares(still, brain, t1w, normalised, seed, threads)
    except ImageError as error:  # The run itself does not need its anatomy.
        warnings.append(f"no tissue signals: {error}")
        shares = [np.zeros(image.shape, np.float32)] * 2
    counts = {}
    for name, share, out in zip(("csf", "white_matter"), shares, (out_csf, out_white_matter), strict=True):
        sure = (share > SURE) & brain
        if sure.sum() < FEWEST:
            warnings.append(f"{int(sure.sum())} voxels of {name} are too few for a confound")
            sure[:] = False
        counts[f"{name}_voxels"] = int(sure.sum())
        with atomic(out) as temporary:
            save_volume(temporary, sure, image)
    for warning in warnings:
        logger.warning("%s: %s", t1w, warning)
    return {
        "step": "tissue",
        "method": "T1w to mean EPI by mutual information, N4, mixture of three Gaussians",
        "t1w": str(t1w),
        **counts,
        "warnings": warnings,
        "simpleitk": toolkit().Version_VersionString(),
    }


def _shares(
    still: tuple[np.ndarray, np.ndarray], brain: np.ndarray, t1w: str | Path, normalised: bool, seed: int,
    threads: int,
) -> list[np.ndarray]:  # fmt: skip
    """Share of ventricles' fluid and of white matter in every voxel of a run's grid."""
    shape, grid = still[0].shape, still[1]
    head = _read_t1w(t1w)
    matrix = align(still, brain, head, affine=normalised, subject=str(t1w), threads=threads)
    fine, affine = fine_grid(shape, grid)
    anatomy = take(head[0], np.linalg.inv(head[1]) @ matrix @ affine, fine, order=1)
    inside = take(brain.astype(np.float32), np.linalg.inv(grid) @ affine, fine, order=0) > 0
    depth = distance_transform_edt(np.pad(inside, 1), sampling=GRID_MM)[1:-1, 1:-1, 1:-1]
    fluid, white = classify(anatomy, depth, affine, str(t1w), seed, threads)
    fluid[depth < VENTRICLE_MM] = 0
    back = np.linalg.inv(affine) @ grid
    sigma = nib.affines.voxel_sizes(grid) / GRID_MM / 2.355
    return [take(gaussian_filter(share, sigma), back, shape, order=1) for share in (fluid, white)]


def _read_t1w(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Data and affine of an anatomical image, its voxels averaged to about those of the fine grid."""
    try:
        image: Any = nib.load(path)
        data = np.asarray(image.dataobj, dtype=np.float32)
    except (*DAMAGED, nib.filebasedimages.ImageFileError) as error:
        raise ImageError(
            path, f"cannot be read ({error})", "copy, fetch or convert the file again"
        ) from error
    data = np.nan_to_num(data.reshape(data.shape[:3]) if data.shape[3:] == (1,) else data)
    if data.ndim != 3 or data.min() == data.max():
        raise ImageError(path, f"is no 3-D image (shape {data.shape}) or is even", "give a T1w image")
    sizes = nib.affines.voxel_sizes(image.affine)
    factors = [max(1, int(GRID_MM / size)) for size in sizes]
    small = from_itk(toolkit().BinShrink(to_itk(data, image.affine), factors))
    affine = image.affine @ np.diag([*factors, 1.0])
    affine[:3, 3] += image.affine[:3, :3] @ ((np.array(factors) - 1) / 2)
    return small, affine


def fine_grid(shape: tuple[int, ...], affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of an isotropic grid of `GRID_MM` that fills the space of another."""
    sizes = nib.affines.voxel_sizes(affine)
    fine = affine @ np.diag([*(GRID_MM / sizes), 1.0])
    corner = affine[:3, 3] - affine[:3, :3] @ np.full(3, 0.5)
    fine[:3, 3] = corner + fine[:3, :3] @ np.full(3, 0.5)
    return tuple(int(np.ceil(n * size / GRID_MM)) for n, size in zip(shape, sizes, strict=False)), fine


def classify(
    anatomy: np.ndarray, depth: np.ndarray, affine: np.ndarray, subject: str, seed: int, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of fluid and white matter in a T1w image.

    Parameters
    ----------
    anatomy : ndarray, float32, shape (X, Y, Z)
    depth : ndarray, shape (X, Y, Z)
        Distance from the edge of the brain in mm; 0 outside.
    affine : ndarray, shape (4, 4)
    subject : str
        What to name in errors.
    seed, threads : int

    Returns
    -------
    fluid, white : ndarray, float32, shape (X, Y, Z)
        0 outside the brain and near its edge.

    Raises
    ------
    ImageError
        If there is no brain to speak of.
    """
    from sklearn.mixture import GaussianMixture

    deep = depth >= BRAIN_MM
    values = anatomy[deep]
    if values.size < 1000 or values.min() == values.max():
        raise ImageError(
            subject, "shows no brain where the run's mask is", "check that both are of one subject"
        )
    even = anatomy / estimate_field(np.maximum(anatomy, 0), depth > 0, affine, subject, threads)
    values = even[deep, None].astype(np.float64)
    rng = np.random.default_rng(seed)
    sample = values[rng.choice(len(values), min(SAMPLE, len(values)), replace=False)]
    start = np.percentile(sample, [2, 45, 85])[:, None]
    mixture = GaussianMixture(3, means_init=start, random_state=seed).fit(sample)
    order = np.argsort(mixture.means_[:, 0])
    low, middle, high = mixture.means_[order, 0]
    share = mixture.predict_proba(values)
    # A wide Gaussian has the last word at both ends: what is on the wrong side of grey matter is not meant.
    found = [share[:, order[0]] * (values[:, 0] < middle), share[:, order[2]] * (values[:, 0] > middle)]
    if middle - low < APART * (high - middle):
        found[0][:] = 0  # without fluid to speak of, the third Gaussian is half of the grey matter's
    maps = []
    for probability in found:
        whole = np.zeros(anatomy.shape, np.float32)
        whole[deep] = probability
        maps.append(whole)
    return maps[0], maps[1]
