import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from dca.errors import ConfigError, ImageError
from dca.files import checksum
from dca.signals import Shard, extract
from dca.signals.extract import _Moments

SHAPE, T = (7, 6, 5), 40
AFFINE = np.array([[-3.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, 5], [0, 0, 0, 1]])


def save(path, data, affine=AFFINE):
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def run(bold, mask, out, **changes):
    arguments = {
        "run_id": "sub-01",
        "subject": "01",
        "tr": 2.0,
        "space": None,
        "seed": 5,
        "preprocessing": {"a": 1},
    }
    return extract(bold, mask, out, **(arguments | changes))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return (rng.uniform(500, 2000, (*SHAPE, 1)) + 10 * rng.standard_normal((*SHAPE, T))).astype(np.float32)


@pytest.fixture
def mask():
    return (np.random.default_rng(1).random(SHAPE) < 0.6).astype(np.uint8)


@pytest.fixture
def files(tmp_path, data, mask):
    return save(tmp_path / "bold ü.nii.gz", data), save(tmp_path / "mask.nii.gz", mask), tmp_path / "run.h5"


def test_every_in_mask_series_is_there_once_normalised(files, data, mask):
    bold, mask_path, out = files
    summary = run(*files)
    with Shard(out) as shard:
        assert sorted(shard.voxel) == np.flatnonzero(mask).tolist()
        series = data.reshape(-1, T)[shard.voxel].astype(np.float64)
        mean, std = series.mean(axis=1), series.std(axis=1)
        np.testing.assert_allclose(shard.mean, mean, rtol=1e-6)
        np.testing.assert_allclose(shard.std, std, rtol=1e-6)
        expected = (series - mean[:, None]) / std[:, None]
        np.testing.assert_allclose(shard.read(0, shard.n_voxels), expected, atol=1e-6)
        np.testing.assert_array_equal(shard.to_volume(np.ones(shard.n_voxels, np.uint8)), mask)
        assert (shard.tr, shard.shape, shard.length) == (2.0, SHAPE, T)
        assert shard.attributes["source_sha256"] == checksum(bold)
        assert shard.attributes["mask_sha256"] == checksum(mask_path)
        assert shard.attributes["preprocessing"] == {"a": 1}
    assert summary == {
        "run_id": "sub-01",
        "n_voxels": int(mask.sum()),
        "length": T,
        "in_mask": int(mask.sum()),
        "excluded": {"non-finite": 0, "constant": 0},
        "volumes_cut": 0,
    }


def test_a_line_is_taken_out_as_scipy_does_it(files, data, mask, tmp_path):
    bold, mask_path, out = files
    ramp = np.linspace(-1, 1, T) * np.random.default_rng(2).normal(0, 300, (*SHAPE, 1))
    bold = save(tmp_path / "drifting.nii.gz", (data + ramp).astype(np.float32))
    run(bold, mask_path, out, detrend=True, length=T - 3, threads=2)
    with Shard(out) as shard:
        series = np.asarray(nib.load(bold).dataobj).reshape(-1, T)[shard.voxel, : T - 3].astype(np.float64)
        straight = signal.detrend(series)
        np.testing.assert_allclose(shard.mean, series.mean(axis=1), rtol=1e-6)
        np.testing.assert_allclose(shard.std, straight.std(axis=1), rtol=1e-6)
        expected = straight / straight.std(axis=1, keepdims=True)
        np.testing.assert_allclose(shard.read(0, shard.n_voxels), expected, atol=2e-6)
        assert shard.detrended and shard.n_voxels == mask.sum()
    run(bold, mask_path, out)
    with Shard(out) as shard:
        assert not shard.detrended


def test_sixteen_bits_are_read_as_float32_and_off_by_a_two_thousandth_at_most(files, tmp_path):
    bold, mask, out = files
    run(bold, mask, out)
    run(bold, mask, tmp_path / "half.h5", storage="float16")
    with Shard(out) as whole, Shard(tmp_path / "half.h5") as half:
        exact, rounded = (shard.read(0, shard.n_voxels) for shard in (whole, half))
        np.testing.assert_array_equal(half.voxel, whole.voxel)
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, exact, rtol=2**-11, atol=1e-7)
    assert (rounded != exact).any()


def test_threads_change_no_bit(files):
    bold, mask, out = files
    contents = []
    for threads in (1, 3):
        run(bold, mask, out, threads=threads)
        contents.append(out.read_bytes())
    assert contents[0] == contents[1]


def test_order_follows_seed_and_run(files):
    bold, mask, out = files
    orders, contents = [], []
    for changes in ({}, {}, {"seed": 6}, {"run_id": "sub-02"}):
        run(bold, mask, out, **changes)
        contents.append(out.read_bytes())
        with Shard(out) as shard:
            orders.append(shard.voxel)
    assert contents[0] == contents[1]
    assert not np.array_equal(orders[0], np.sort(orders[0]))
    assert not np.array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[3])


def test_unusable_voxels_are_left_out_and_counted(tmp_path, files, data, mask):
    inside = np.argwhere(mask)
    data[tuple(inside[0])] = 0
    data[tuple(inside[1])] = 1234.5 + np.tile([0, 1e-4], T // 2)  # what float32 leaves of a constant
    data[(*inside[2], 3)] = np.nan
    data[(*inside[3], 4)] = -np.inf
    data[tuple(inside[4])] = np.inf
    summary = run(save(tmp_path / "broken.nii.gz", data), *files[1:])
    assert summary["excluded"] == {"non-finite": 3, "constant": 2}
    assert summary["n_voxels"] == summary["in_mask"] - 5
    with Shard(files[2]) as shard:
        assert shard.excluded == summary["excluded"]
        assert not set(shard.voxel) & set(np.ravel_multi_index(inside[:5].T, SHAPE))
        assert np.isfinite(shard.read(0, shard.n_voxels)).all()


def test_runs_can_be_cut(files, data):
    assert run(*files, length=33)["volumes_cut"] == 7
    with Shard(files[2]) as shard:
        series = data.reshape(-1, T)[shard.voxel, :33].astype(np.float64)
        np.testing.assert_allclose(shard.mean, series.mean(axis=1), rtol=1e-6)
        assert shard.length == 33
    for length in (T + 1, 1):
        with pytest.raises(ConfigError, match=f"has {T} volumes"):
            run(*files, length=length)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "are non-finite"), (3, "are constant"), (0, "are constant")]
)
def test_nothing_left_is_an_error(tmp_path, files, value, message):
    bold = save(tmp_path / "flat.nii.gz", np.full((*SHAPE, T), value, np.float32))
    with pytest.raises(ImageError, match=message):
        run(bold, *files[1:])
    assert not files[2].exists()


def test_mask_must_fit_and_not_be_empty(tmp_path, files, mask):
    moved = AFFINE.copy()
    moved[1, 3] += 3
    for changed, affine, message in (
        (mask[1:], AFFINE, "shape"),
        (mask, moved, "affine"),
        (0 * mask, AFFINE, "empty mask"),
    ):
        with pytest.raises(ImageError, match=message):
            run(files[0], save(tmp_path / "other.nii.gz", changed, affine), files[2])


def test_truncated_image_is_an_error(files):
    files[0].write_bytes(files[0].read_bytes()[:-5000])
    with pytest.raises(ImageError, match="truncated or damaged"):
        run(*files)
    assert not list(files[2].parent.glob("*.h5"))


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-1, 1e3), st.integers(0, 2**32 - 1))
def test_normalisation_survives_large_means(mean, spread, seed):
    series = (mean + spread * np.random.default_rng(seed).standard_normal((64, 3))).astype(np.float32)
    exact = series.astype(np.longdouble)
    moments, about_line = _Moments(3), _Moments(3, detrend=True)
    for row in series:
        moments.add(row)
        about_line.add(row)
    found_mean, slope, found_std, reasons = moments.statistics()
    assert slope is None
    np.testing.assert_allclose(found_mean, exact.mean(axis=0).astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found_std, exact.std(axis=0).astype(float), rtol=1e-9)
    mean_of_line, _, std_of_line, _ = about_line.statistics()
    np.testing.assert_array_equal(mean_of_line, found_mean)
    straight = signal.detrend((exact - exact.mean(axis=0)).astype(float), axis=0)
    np.testing.assert_allclose(std_of_line, straight.std(axis=0), rtol=1e-9)
    assert reasons["constant"].tolist() == (found_std <= 1e-6 * np.abs(found_mean)).tolist()


def test_peak_memory_is_below_one_and_a_half_times_the_series(tmp_path):
    shape, length = (40, 40, 30), 200  # beside which what is read ahead, 12 MB, counts little
    rng = np.random.default_rng(0)
    volume = rng.integers(100, 1000, shape)
    data = np.stack(
        [volume + rng.integers(0, 50) + np.arange(shape[2]) * t % 17 for t in range(length)], axis=-1
    )
    bold = save(tmp_path / "bold.nii.gz", data.astype(np.int16))
    mask = save(tmp_path / "mask.nii.gz", np.ones(shape, np.uint8))
    del data
    tracemalloc.start()
    summary = run(bold, mask, tmp_path / "run.h5", detrend=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * 4 * summary["in_mask"] * length
