"""The steps with stand-ins for FSL's programs; fslmaths is niimath in all of them."""

import logging

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_dilation

from dca.errors import DependencyError, ImageError, OutputError, ToolError
from dca.files import read_tsv
from dca.preprocess import highpass as native_highpass
from dca.preprocess import scale as native_scale
from dca.preprocess import smooth as native_smooth
from dca.preprocess.fsl import brain, intensity
from dca.preprocess.fsl.brightness import brightness
from dca.preprocess.fsl.motion import correct_motion
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_parameters, rms_displacement

from ..conftest import AXIAL, SHAPE, centres, head, moving_head, oblique
from ..test_motion import FLIPPED, PERMUTED, wander

LENGTH = 12
pytestmark = pytest.mark.usefixtures("standin_fsl")


def data(path):
    return np.asarray(nib.load(path).dataobj)


def motion(bold, folder):
    names = ("aligned.nii.gz", "motion.tsv", "xfm.tsv", "mean.nii.gz")
    record = correct_motion(bold, *(folder / name for name in names))
    return record, pd.read_csv(folder / "motion.tsv", sep="\t")


@pytest.mark.parametrize(
    ("affine", "dtype"),
    [(AXIAL, np.float32), (oblique(FLIPPED), np.int16), (PERMUTED, np.float32)],
    ids=["axial", "oblique and flipped, of whole numbers", "permuted"],
)
def test_known_motion_is_recovered_with_natives_columns_and_units(save, tmp_path, affine, dtype):
    truth = matrices_from_parameters(wander(LENGTH), np.zeros(3))
    run = moving_head(affine, truth).astype(dtype)
    record, table = motion(save("bold.nii.gz", run, affine), tmp_path / "out mit ü")
    assert list(table) == list(PARAMETERS)
    assert record["reference_volume"] == LENGTH // 2
    found = matrices_from_parameters(table.to_numpy(), grid_centre(affine, SHAPE))
    expected = truth @ np.linalg.inv(truth[LENGTH // 2])
    points = centres(SHAPE, affine)
    inside = head(points @ np.linalg.inv(truth[LENGTH // 2])[:3, :3].T) > 60
    error = rms_displacement(found, expected, points[inside])
    assert np.sqrt(np.square(error).mean()) < 0.06
    assert record["mcflirt_absolute_displacement_mm"] > record["mcflirt_relative_displacement_mm"] > 0
    table = read_tsv(tmp_path / "out mit ü" / "xfm.tsv")
    absolute, relative = table["absolute_displacement"], table["relative_displacement"]
    assert len(absolute) == LENGTH and absolute[LENGTH // 2] == pytest.approx(0, abs=0.02)
    assert relative.isna().tolist() == [True] + [False] * (LENGTH - 1)
    assert relative.mean() == pytest.approx(record["mcflirt_relative_displacement_mm"])
    assert record["fsl"] == "0.0-standin"
    mean, aligned = (data(tmp_path / "out mit ü" / f"{name}.nii.gz") for name in ("mean", "aligned"))
    np.testing.assert_allclose(mean, aligned.mean(axis=3), rtol=1e-4, atol=0.01)
    assert (aligned % 1 != 0).mean() > 0.9  # nothing was rounded


def test_values_that_are_not_finite_reach_no_program_and_leave_the_mask(save, tmp_path):
    run = moving_head(AXIAL, np.tile(np.eye(4), (LENGTH, 1, 1)))
    run[11, 13, 10, 3], run[..., 5] = np.nan, 7
    record, _ = motion(save("bold.nii.gz", run), tmp_path)
    assert (record["nonfinite_values"], record["nonfinite_voxels"], record["unusable_volumes"]) == (1, 1, [5])
    assert np.isfinite(data(tmp_path / "aligned.nii.gz")).all()
    assert np.argwhere(np.isnan(data(tmp_path / "mean.nii.gz"))).tolist() == [[11, 13, 10]]
    whole = brain.epi_brain(tmp_path / "mean.nii.gz", tmp_path / "mask.nii.gz", tmp_path / "brain.nii.gz")
    mask = data(tmp_path / "mask.nii.gz")
    assert not mask[11, 13, 10] and mask[12, 13, 10]
    assert whole["mask_voxels"] == mask.sum()
    assert np.isfinite(data(tmp_path / "brain.nii.gz")).all()


def test_the_reference_is_usable_when_the_middle_is_not(save, tmp_path):
    run = moving_head(AXIAL, np.tile(np.eye(4), (LENGTH, 1, 1)))
    run[..., LENGTH // 2] = 0
    record, _ = motion(save("bold.nii.gz", run), tmp_path)
    assert record["reference_volume"] != LENGTH // 2


def test_volumes_without_the_head_are_named(save, tmp_path, caplog):
    parameters = np.zeros((LENGTH, 6))
    parameters[9, 0] = 300  # off the grid
    run = moving_head(AXIAL, matrices_from_parameters(parameters, np.zeros(3)))
    record, _ = motion(save("bold.nii.gz", run), tmp_path)
    assert record["unaligned_volumes"] == [9]
    assert "bold.nii.gz: volumes [9] could not be aligned with volume 6" in caplog.text


def test_the_bias_field_is_divided_out_and_reaches_beyond_the_brain(save, brain_image, tmp_path):
    points = centres(SHAPE, AXIAL)
    field = np.exp(points[..., 1] / 100).astype(np.float32)
    inside = data(brain_image) > 0
    brain.bias_field(
        save("brain.nii.gz", (1000 * field * inside).astype(np.float32)), tmp_path / "bias.nii.gz"
    )
    found = data(tmp_path / "bias.nii.gz")
    assert (found > 0).all()
    assert np.corrcoef(found[inside], field[inside])[0, 1] > 0.95
    edge = binary_dilation(inside) & ~inside  # where FAST says 1
    assert np.corrcoef(found[edge], field[edge])[0, 1] > 0.9
    run = (1000 * field[..., None] * np.ones(4)).astype(np.float32)
    bold = save("bold.nii.gz", run)
    intensity.correct_bias(bold, tmp_path / "bias.nii.gz", tmp_path / "flat.nii.gz")
    np.testing.assert_allclose(data(tmp_path / "flat.nii.gz"), run / found[..., None], rtol=1e-5)


def test_grand_mean_and_filter_equal_those_of_native(still, brain_image, tmp_path):
    ours, theirs = tmp_path / "fsl", tmp_path / "native"
    intensity.scale(still, brain_image, ours / "scaled.nii.gz")
    native_scale.scale(still, brain_image, theirs / "scaled.nii.gz")
    np.testing.assert_allclose(data(ours / "scaled.nii.gz"), data(theirs / "scaled.nii.gz"), rtol=1e-5)
    record = intensity.highpass(still, ours / "filtered.nii.gz", tr=0.72, highpass_s=8)
    native_highpass.highpass(still, theirs / "filtered.nii.gz", tr=0.72, highpass_s=8)
    np.testing.assert_allclose(data(ours / "filtered.nii.gz"), data(theirs / "filtered.nii.gz"), atol=1e-2)
    assert record["sigma_volumes"] == pytest.approx(8 / 2 / 0.72)
    assert np.abs(data(ours / "filtered.nii.gz") - data(still)).max() > 1
    assert nib.load(ours / "filtered.nii.gz").header.get_zooms()[3] == pytest.approx(0.72)


def test_smoothing_gets_natives_kernel_in_millimetres(still, brain_image, tmp_path):
    record = intensity.smooth(still, brain_image, tmp_path / "smooth.nii.gz", fwhm_mm=9)
    assert record["brightness_threshold"] == pytest.approx(
        0.75 * np.median(data(still)[data(brain_image) > 0])
    )
    native_smooth.smooth(still, tmp_path / "native.nii.gz", fwhm_mm=9)
    inside = data(brain_image) > 0
    ours, theirs = (data(tmp_path / f"{name}.nii.gz")[inside] for name in ("smooth", "native"))
    np.testing.assert_allclose(ours, theirs, rtol=0.02)
    assert np.abs(ours - data(still)[inside]).max() > 10


@pytest.mark.parametrize("filled", [False, True], ids=["a head in the air", "nothing but head"])
def test_brightness_is_that_of_feats_rule(save, tmp_path, filled):
    rng = np.random.default_rng(0)
    run = rng.normal(100, 3, (10, 10, 10, 20)).astype(np.float32)
    run[2, ..., :5] = 4  # in BET's mask, but dark at times
    mask = np.ones((10, 10, 10), np.uint8)
    if not filled:
        mask[:2] = 0
    found = brightness(save("bold.nii", run), save("mask.nii", mask))
    masked = run * mask[..., None]
    low, high = np.percentile(masked, [2, 98], method="lower")
    assert (low == 0) == (not filled) and found.low == pytest.approx(low, abs=0.01)
    never_dark = (masked.min(axis=3) >= low + 0.1 * (high - low)) & (mask > 0)
    assert found.voxels == never_dark.sum() == (900 if filled else 700)
    assert found.median == pytest.approx(np.median(run[never_dark]))
    assert found.susan_threshold == pytest.approx(0.75 * (found.median - low), rel=1e-3)


def test_demeaned_data_have_no_scale(save, brain_image, tmp_path):
    run = np.random.default_rng(0).normal(-5, 1, (*SHAPE, 4)).astype(np.float32)
    with pytest.raises(ImageError, match="no scale"):
        intensity.scale(save("bold.nii.gz", run), brain_image, tmp_path / "scaled.nii.gz")


def test_a_failing_program_gives_one_line_and_its_stderr_to_the_log(still, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("STANDIN_FAILS", "mcflirt")
    out = tmp_path / "sub-01_task-x"
    with caplog.at_level(logging.INFO), pytest.raises(ToolError) as caught:
        motion(still, out)
    line = str(caught.value)
    assert "sub-01_task-x" in line and "step motion" in line and "mcflirt failed with status 1" in line
    assert "No image files match" in line and "\n" not in line
    assert "Image Exception : #63" in caplog.text and "mcflirt -in" in caplog.text
    assert not list(tmp_path.glob("sub-01_task-x/*"))


def test_a_missing_program_is_named(still, tmp_path, no_fsl):
    with pytest.raises(DependencyError, match=r"step motion: cannot find FSL's mcflirt; install FSL 6"):
        motion(still, tmp_path)


def test_a_program_that_leaves_nothing_has_failed_whatever_its_status(still, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mcflirt").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "bin" / "mcflirt").chmod(0o755)
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    with pytest.raises(ToolError, match=r"mcflirt failed with no aligned\.nii\.gz.*it said nothing"):
        motion(still, tmp_path)


def test_a_temporary_folder_with_a_space_is_refused(still, tmp_path, monkeypatch):
    (tmp_path / "a b").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a b"))
    with pytest.raises(OutputError, match="has a space"):
        motion(still, tmp_path)


def test_an_empty_mask_is_refused(save, tmp_path):
    flat = save("mean.nii.gz", np.full(SHAPE, 3, np.float32))
    with pytest.raises(ImageError, match=r"mean\.nii\.gz: gives an empty brain mask; check the image"):
        brain.epi_brain(flat, tmp_path / "out" / "mask.nii.gz", tmp_path / "out" / "brain.nii.gz")
    assert not list(tmp_path.glob("out/*"))


def test_a_bias_field_of_nothing_is_refused(save, tmp_path):
    empty = save("brain.nii.gz", np.zeros(SHAPE, np.float32))
    with pytest.raises(ImageError, match=r"brain\.nii\.gz: gives a bias field that is nowhere positive"):
        brain.bias_field(empty, tmp_path / "bias.nii.gz")
    assert not (tmp_path / "bias.nii.gz").exists()
