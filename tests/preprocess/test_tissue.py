"""Tissue from a T1w image of formulas: ventricles in white matter in grey matter in a skull."""

import nibabel as nib
import numpy as np
import pytest

from dca.preprocess.tissue import find_tissue, fine_grid

EPI = np.array([[-4.0, 0, 0, 86], [0, 4, 0, -100], [0, 0, 4, -80], [0, 0, 0, 1]])
GRID = (44, 50, 40)
ANATOMY = np.array([[0, 0, 2.0, -95], [-2.0, 0, 0, 118], [0, 2.0, 0, -90], [0, 0, 0, 1]])  # sagittal slices
SHIFT = np.array([6.0, -4.0, 5.0])  # of the head between both images, mm


def parts(points):
    """Radius-like measures of the head, the white matter and the ventricles; below 1 is inside."""
    axes = ((74, 88, 66), (60, 72, 52), (28, 36, 24))
    return [np.sqrt(np.square((points - [2, 3, -1]) / axis).sum(-1)) for axis in axes]


def brightness(points, fluid, white, grey, skull):
    head, core, ventricle = parts(points)
    folds = core + 0.06 * np.sin(points[..., 0] / 6) * np.sin(points[..., 1] / 7) * np.sin(points[..., 2] / 5)
    inside = np.where(ventricle < 1, fluid, np.where(folds < 1, white, grey))
    return np.where(head < 1, inside, np.where(head < 1.08, skull, 0)).astype(np.float32)


def grid(shape, affine):
    return np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tissue")
    rng = np.random.default_rng(0)
    points = grid(GRID, EPI)
    epi = brightness(points, 160, 80, 110, 0) + rng.normal(0, 2, GRID)
    nib.save(nib.Nifti1Image(epi.astype(np.float32), EPI), folder / "mean.nii.gz")
    nib.save(nib.Nifti1Image((parts(points)[0] < 1).astype(np.uint8), EPI), folder / "mask.nii.gz")
    shape = (110, 92, 96)
    points = grid(shape, ANATOMY)
    t1w = brightness(points - SHIFT, 20, 110, 75, 150) * np.exp(points[..., 0] / 400) + rng.normal(
        0, 3, shape
    )
    nib.save(nib.Nifti1Image(t1w.astype(np.float32), ANATOMY), folder / "t1w.nii.gz")
    return folder


@pytest.mark.parametrize("normalised", [False, True])
def test_white_matter_and_ventricles_are_found_pure(files, normalised, tmp_path):
    record = find_tissue(
        *(files / f"{name}.nii.gz" for name in ("mean", "mask", "t1w")),
        *(tmp_path / f"{name}.nii.gz" for name in ("csf", "wm")),
        normalised=normalised,
        seed=0,
    )
    _, core, ventricle = parts(grid(GRID, EPI))
    fluid, white = (np.asarray(nib.load(tmp_path / f"{name}.nii.gz").dataobj) > 0 for name in ("csf", "wm"))
    assert (record["csf_voxels"], record["white_matter_voxels"]) == (fluid.sum(), white.sum())
    assert record["warnings"] == []
    # Voxels are those of their tissue, and a good part of what lies clear of its edges.
    assert (ventricle[fluid] < 1).mean() > 0.98 and fluid[ventricle < 0.6].mean() > 0.8
    assert ((core < 1.05) & (ventricle > 1))[white].mean() > 0.98
    assert white[(core < 0.85) & (ventricle > 1.3)].mean() > 0.8
    assert np.asarray(nib.load(files / "mask.nii.gz").dataobj)[fluid | white].all()


def test_too_few_voxels_are_no_tissue(files, tmp_path):
    t1w = nib.load(files / "t1w.nii.gz")
    filled = np.asarray(t1w.dataobj).copy()
    points = grid(t1w.shape, ANATOMY)
    deep = parts(points - SHIFT)[2] < 1.1
    noise = np.random.default_rng(1).normal(0, 3, t1w.shape)
    filled[deep] = (110 * np.exp(points[..., 0] / 400) + noise)[deep]  # no ventricles
    nib.save(nib.Nifti1Image(filled, ANATOMY), tmp_path / "t1w.nii.gz")
    record = find_tissue(
        *(files / f"{name}.nii.gz" for name in ("mean", "mask")),
        *(tmp_path / f"{name}.nii.gz" for name in ("t1w", "csf", "wm")),
        normalised=False,
        seed=0,
    )
    assert record["csf_voxels"] == 0 and "voxels of csf are too few" in record["warnings"][0]
    assert not np.asarray(nib.load(tmp_path / "csf.nii.gz").dataobj).any()


def test_a_run_goes_on_without_an_image_that_is_no_anatomy(files, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 8), np.float32), np.eye(4)), tmp_path / "t1w.nii.gz")
    record = find_tissue(
        *(files / f"{name}.nii.gz" for name in ("mean", "mask")),
        *(tmp_path / f"{name}.nii.gz" for name in ("t1w", "csf", "wm")),
        normalised=False,
        seed=0,
    )
    assert "is no 3-D image" in record["warnings"][0]
    assert record["csf_voxels"] == record["white_matter_voxels"] == 0
    assert not np.asarray(nib.load(tmp_path / "wm.nii.gz").dataobj).any()


def test_the_fine_grid_fills_the_same_space():
    shape, affine = fine_grid(GRID, EPI)
    assert shape == (88, 100, 80)
    for corner in (-0.5, None):
        coarse = np.array(GRID) - 0.5 if corner is None else np.full(3, corner)
        fine = np.array(shape) - 0.5 if corner is None else np.full(3, corner)
        np.testing.assert_allclose(EPI[:3, :3] @ coarse + EPI[:3, 3], affine[:3, :3] @ fine + affine[:3, 3])
