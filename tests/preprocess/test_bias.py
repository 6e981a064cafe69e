import nibabel as nib
import numpy as np
import pytest

from dca.errors import ImageError
from dca.preprocess.bias import bias_field
from dca.preprocess.scale import TARGET, scale

from .conftest import AXIAL, SHAPE, centres, head


@pytest.fixture
def shaded(save):
    """Mean EPI of a head under a coil at the left, and the true field with a median of 1 in the brain."""
    points = centres(SHAPE, AXIAL)
    brain = head(points) > 60
    field = np.exp(-points[..., 0] / 80)
    field /= np.median(field[brain])
    tissue = np.where(np.sin(points / 4).prod(axis=-1) > 0, 100, 150) * (head(points) > 40)
    noise = np.random.default_rng(0).normal(0, 2, SHAPE)
    mean = save("mean.nii.gz", (tissue * field + noise).astype(np.float32))
    return mean, save("mask.nii.gz", brain.astype(np.uint8)), field, brain


def test_the_field_is_found_without_anatomy(shaded, tmp_path):
    mean, mask, field, brain = shaded
    record = bias_field(mean, mask, tmp_path / "bias.nii.gz")
    found = np.asarray(nib.load(tmp_path / "bias.nii.gz").dataobj)
    left = np.log(field[brain]) - np.log(found[brain])
    assert left.std() < 0.35 * np.log(field[brain]).std()
    assert np.median(found[brain]) == pytest.approx(1, abs=0.01)
    assert (found > 0).all()
    assert record["step"] == "bias" and record["bias_range"][0] < 0.9 < 1.1 < record["bias_range"][1]
    again = tmp_path / "again.nii.gz"
    bias_field(mean, mask, again)
    np.testing.assert_array_equal(np.asarray(nib.load(again).dataobj), found)


def test_a_brain_without_signal_is_refused(save, shaded, tmp_path):
    dark = save("dark.nii.gz", np.full(SHAPE, -1, np.float32))
    with pytest.raises(ImageError, match="nowhere positive in the brain mask"):
        bias_field(dark, shaded[1], tmp_path / "bias.nii.gz")


def test_scaling_divides_by_the_field_in_the_same_pass(still, brain, save, tmp_path):
    field = (1 + centres(SHAPE, AXIAL)[..., 0] / 200).astype(np.float32)
    out = tmp_path / "scaled.nii.gz"
    scale(still, brain, out, bias=save("bias.nii.gz", field))
    found, inside = np.asarray(nib.load(out).dataobj), np.asarray(nib.load(brain).dataobj) > 0
    assert np.median(found[inside]) == pytest.approx(TARGET, rel=1e-5)
    ratio = found / np.asarray(nib.load(still).dataobj) * field[..., None]
    np.testing.assert_allclose(ratio, ratio[0, 0, 0, 0], rtol=1e-4)
