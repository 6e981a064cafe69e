import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dca.errors import DependencyError, ImageError, OutputError
from dca.preprocess import niimath as program
from dca.preprocess.highpass import filter_columns, highpass, sigma_volumes


def local_line(columns, sigma):
    """Independent filter: fit a Gaussian-weighted straight line around each point, take its value away."""
    length = len(columns)
    trend = np.empty_like(columns)
    for t in range(length):
        offset = np.arange(length) - t
        weight = np.sqrt(np.exp(-0.5 * (offset / sigma) ** 2) * (np.abs(offset) <= int(3 * sigma)))
        line = np.column_stack([np.ones(length), offset])
        trend[t] = np.linalg.lstsq(line * weight[:, None], columns * weight[:, None])[0][0]
    rest = columns - trend
    return rest - rest.mean(axis=0) + columns.mean(axis=0)


@pytest.mark.parametrize(
    ("length", "tr", "cutoff"),
    [(284, 0.72, 100), (156, 2.0, 100), (90, 2.0, 17), (40, 2.0, 100), (2, 2.0, 100)],
)
def test_filter_equals_local_line_fits(length, tr, cutoff):
    columns = np.cumsum(np.random.default_rng(length).normal(size=(length, 3)), axis=0) + 50
    filtered = filter_columns(columns, tr, cutoff)
    np.testing.assert_allclose(filtered, local_line(columns, cutoff / (2 * tr)), atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(4, 60), st.floats(-1e3, 1e3), st.floats(-10, 10), st.floats(10, 300))
def test_straight_lines_leave_only_their_mean(length, offset, slope, cutoff):
    line = (offset + slope * np.arange(length))[:, None]
    np.testing.assert_allclose(filter_columns(line, 2.0, cutoff), np.full_like(line, line.mean()), atol=1e-8)


def test_slow_waves_go_and_fast_waves_stay():
    t = np.arange(600.0)
    columns = np.column_stack([np.sin(2 * np.pi * t / period) for period in (600, 20)])
    filtered = filter_columns(columns, 1.0, 100)[60:-60]
    slow, fast = filtered.std(axis=0) / columns[60:-60].std(axis=0)
    assert slow < 0.2
    assert 0.98 < fast < 1.02


def test_filter_is_linear_for_any_number_of_columns():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(40, 3))
    many = few @ rng.normal(size=(3, 5001))
    kernel = filter_columns(np.eye(40), 2.0, 50)
    assert filter_columns(many, 2.0, 50).shape == many.shape
    np.testing.assert_allclose(filter_columns(many, 2.0, 50), kernel @ many, atol=1e-9)


def test_no_cutoff_leaves_the_columns():
    columns = np.random.default_rng(0).normal(size=(10, 2))
    result = filter_columns(columns, 2.0, 0)
    np.testing.assert_array_equal(result, columns)
    assert result is not columns


@pytest.mark.parametrize("columns", [np.ones(5), np.full((5, 1), np.nan)])
def test_columns_must_be_a_finite_matrix(columns):
    with pytest.raises(ValueError, match="finite matrix"):
        filter_columns(columns, 2.0, 100)


@pytest.mark.parametrize(("cutoff", "tr"), [(-1, 2), (100, 0)])
def test_sigma_needs_positive_times(cutoff, tr):
    with pytest.raises(ValueError, match="positive"):
        sigma_volumes(cutoff, tr)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_image_and_columns_get_the_same_filter(still, tmp_path, suffix):
    out = tmp_path / f"out put{suffix}"
    record = highpass(still, out, tr=0.72, highpass_s=10)
    before, after = nib.load(still), nib.load(out)
    assert after.get_data_dtype() == np.float32
    assert (out.read_bytes()[:2] == b"\x1f\x8b") == (suffix == ".nii.gz")
    np.testing.assert_allclose(after.affine, before.affine)
    assert after.header.get_zooms() == before.header.get_zooms()
    series = np.asarray(before.dataobj).reshape(-1, 30)[2000:2400]
    expected = filter_columns(series.T, 0.72, 10).T
    np.testing.assert_allclose(np.asarray(after.dataobj).reshape(-1, 30)[2000:2400], expected, atol=1e-3)
    assert record["sigma_volumes"] == pytest.approx(10 / 1.44)


def test_non_finite_voxels_stay_alone(save, tmp_path):
    data = np.random.default_rng(0).normal(100, 1, (5, 5, 5, 20)).astype(np.float32)
    clean = save("clean.nii", data)
    data[2, 2, 2, 7] = np.nan
    highpass(clean, tmp_path / "clean.nii", tr=2, highpass_s=20)
    highpass(save("broken.nii", data), tmp_path / "broken.nii", tr=2, highpass_s=20)
    clean, broken = (np.asarray(nib.load(tmp_path / f"{n}.nii").dataobj) for n in ("clean", "broken"))
    assert not np.isfinite(broken[2, 2, 2]).any()
    broken[2, 2, 2] = clean[2, 2, 2]
    np.testing.assert_array_equal(broken, clean)


def test_failures_are_named(save, still, tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="not 4-D"):
        highpass(save("volume.nii.gz", np.ones((4, 4, 4))), tmp_path / "out.nii.gz", tr=2, highpass_s=100)
    with pytest.raises(OutputError, match="niimath failed"):
        program.niimath(still, ["-no-such-operation"], tmp_path / "out.nii.gz")
    monkeypatch.setattr("niimath.bin", str(tmp_path / "missing"))
    with pytest.raises(DependencyError, match="cannot be run"):
        highpass(still, tmp_path / "out.nii.gz", tr=2, highpass_s=100)
    assert not list(tmp_path.glob("*.nii*"))
