import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from dca.errors import ImageError
from dca.preprocess.mask import brain_mask, data_mask, given_mask

from .conftest import AXIAL, SHAPE, centres, head

TRUE = head(centres(SHAPE, AXIAL)) > 50


def read(path):
    image = nib.load(path)
    assert image.get_data_dtype() == np.uint8
    return np.asarray(image.dataobj).astype(bool)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_mask_of_the_mean_is_the_head(save, tmp_path):
    mean = head(centres(SHAPE, AXIAL)) + np.abs(np.random.default_rng(0).normal(0, 2, SHAPE))
    mean[11, 13, 10] = np.nan  # stays inside, to be counted at extraction
    record = brain_mask(save("mean.nii.gz", mean.astype(np.float32)), tmp_path / "mask.nii.gz")
    found = read(tmp_path / "mask.nii.gz")
    assert dice(found, TRUE) > 0.95
    assert found[11, 13, 10]
    assert record["mask_voxels"] == found.sum()


def test_non_finite_voxels_near_the_edge_leave_their_neighbours_in_the_mask(save, tmp_path):
    clean = (head(centres(SHAPE, AXIAL)) + np.abs(np.random.default_rng(0).normal(0, 2, SHAPE))).astype(
        np.float32
    )
    brain_mask(save("clean.nii.gz", clean), tmp_path / "clean_mask.nii.gz")
    whole = read(tmp_path / "clean_mask.nii.gz")
    shell = whole & ~binary_erosion(whole, iterations=2) & binary_erosion(whole)
    holes = shell & (np.random.default_rng(1).random(SHAPE) < 0.1)
    brain_mask(save("holes.nii.gz", np.where(holes, np.nan, clean)), tmp_path / "holes_mask.nii.gz")
    assert dice(read(tmp_path / "holes_mask.nii.gz"), whole) > 0.99


def test_non_finite_surroundings_are_not_brain(save, tmp_path):
    mean = head(centres(SHAPE, AXIAL)).astype(np.float32)
    brain_mask(save("mean.nii.gz", np.where(TRUE, mean, np.nan)), tmp_path / "mask.nii.gz")
    assert dice(read(tmp_path / "mask.nii.gz"), TRUE) > 0.95


@pytest.mark.parametrize("mean", [np.full(SHAPE, np.nan), np.full(SHAPE, 3.0), np.zeros(SHAPE)])
def test_no_brain_no_mask(save, tmp_path, mean):
    with pytest.raises(ImageError, match="no brain"):
        brain_mask(save("mean.nii.gz", mean.astype(np.float32)), tmp_path / "mask.nii.gz")
    assert not (tmp_path / "mask.nii.gz").exists()


def test_a_mask_that_the_opening_leaves_empty_is_refused(save, tmp_path):
    noise = np.random.default_rng(0).normal(100, 1, SHAPE).astype(np.float32)
    with pytest.raises(ImageError, match=r"mean\.nii\.gz: gives an empty brain mask; give a mask"):
        brain_mask(save("mean.nii.gz", noise), tmp_path / "mask.nii.gz")
    assert not (tmp_path / "mask.nii.gz").exists()


def test_given_mask_is_taken_over(save, still, tmp_path):
    mask = save("mask.nii.gz", (0.5 * TRUE[..., None]).astype(np.float32))
    record = given_mask(mask, still, tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "out.nii.gz"), TRUE)
    assert record["mask_voxels"] == TRUE.sum()


def test_given_mask_must_fit(save, still, tmp_path):
    shifted = AXIAL.copy()
    shifted[0, 3] += 4
    for name, data, affine, message in (
        ("a.nii.gz", TRUE[1:], AXIAL, "shape"),
        ("b.nii.gz", TRUE, shifted, "affine"),
        ("c.nii.gz", np.zeros(SHAPE), AXIAL, "empty mask"),
    ):
        with pytest.raises(ImageError, match=message):
            given_mask(save(name, data.astype(np.uint8), affine), still, tmp_path / "out.nii.gz")
    assert not (tmp_path / "out.nii.gz").exists()


def test_masked_data_are_their_own_mask(save, tmp_path):
    data = (
        np.random.default_rng(0).normal(0, 1, (*SHAPE, 6)).astype(np.float32)
    )  # demeaned: no EPI to threshold
    regions = np.zeros(SHAPE, dtype=bool)
    regions[2:5, 3:8, 4:9] = regions[12:18, 15:20, 8:14] = True
    data[~regions] = 0
    data[20, ...] = np.nan
    data[3, 4, 5, 2] = np.nan
    data_mask(save("bold.nii.gz", data), tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "mask.nii.gz"), regions)


def test_unmasked_data_get_the_mask_of_their_mean(still, tmp_path):
    record = data_mask(still, tmp_path / "mask.nii.gz")
    assert "compute_epi_mask" in record["method"]
    assert dice(read(tmp_path / "mask.nii.gz"), TRUE) > 0.95


def test_data_that_never_change_have_no_mask(save, tmp_path):
    constant = np.repeat(TRUE[..., None], 4, axis=3).astype(np.float32)
    with pytest.raises(ImageError, match="does not change"):
        data_mask(save("bold.nii.gz", constant), tmp_path / "mask.nii.gz")


@pytest.mark.real_data
def test_regions_of_the_localizer_are_found(real_data, tmp_path):
    folder = real_data / "pinel-localizer-rois" / "sub-01" / "func"
    record = data_mask(folder / "sub-01_task-localizer_bold.nii.gz", tmp_path / "mask.nii.gz")
    assert record["mask_voxels"] == 6443
