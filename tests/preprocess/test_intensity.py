"""Scaling and smoothing."""

import nibabel as nib
import numpy as np
import pytest

from dca.errors import ImageError
from dca.preprocess.scale import grand_median, scale
from dca.preprocess.smooth import smooth


def test_median_inside_the_mask_becomes_the_target(still, brain, tmp_path):
    record = scale(still, brain, tmp_path / "out.nii.gz")
    before, after = (np.asarray(nib.load(p).dataobj) for p in (still, tmp_path / "out.nii.gz"))
    inside = np.asarray(nib.load(brain).dataobj) > 0
    assert np.median(after[inside]) == pytest.approx(10_000, rel=1e-5)
    np.testing.assert_allclose(after, before * (10_000 / record["grand_mean"]), rtol=1e-5)


def test_median_leaves_out_what_is_not_finite(save):
    data = np.arange(1, 61, dtype=np.float32).reshape(2, 3, 5, 2)
    mask = save("mask.nii", np.ones((2, 3, 5), np.uint8))
    data[0, 0, 0, 0] = np.inf
    assert grand_median(save("bold.nii", data), mask) == np.median(np.arange(2, 61))


@pytest.mark.parametrize(
    ("value", "message"), [(0, "no scale"), (-5, "no scale"), (np.nan, "no finite value")]
)
def test_images_without_a_scale_are_refused(save, tmp_path, value, message):
    data, mask = np.full((3, 3, 3, 4), value, np.float32), save("mask.nii", np.ones((3, 3, 3), np.uint8))
    with pytest.raises(ImageError, match=message):
        scale(save("bold.nii", data), mask, tmp_path / "out.nii")
    assert not (tmp_path / "out.nii").exists()


def test_a_point_becomes_a_gaussian_of_the_given_width(save, tmp_path):
    data = np.zeros((21, 21, 21, 2), np.float32)
    data[10, 10, 10] = 1
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    smooth(save("bold.nii.gz", data, affine), tmp_path / "out.nii.gz", fwhm_mm=8)
    result = np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)[..., 1]
    assert result.sum() == pytest.approx(1, abs=1e-3)
    for axis, size in enumerate((2, 2, 3)):
        profile = result.sum(axis=tuple({0, 1, 2} - {axis}))
        spread = np.sqrt((profile * (size * (np.arange(21) - 10)) ** 2).sum())
        assert spread * np.sqrt(8 * np.log(2)) == pytest.approx(8, rel=0.02)


def test_non_finite_voxels_do_not_spread(save, tmp_path):
    data = np.full((9, 9, 9, 2), 100, np.float32)
    data[4, 4, 4] = np.nan
    smooth(save("bold.nii.gz", data), tmp_path / "out.nii.gz", fwhm_mm=6)
    result = np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)
    assert np.argwhere(~np.isfinite(result)).tolist() == [[4, 4, 4, 0], [4, 4, 4, 1]]


def test_width_must_be_positive(still, tmp_path):
    with pytest.raises(ValueError, match="positive"):
        smooth(still, tmp_path / "out.nii.gz", fwhm_mm=0)
