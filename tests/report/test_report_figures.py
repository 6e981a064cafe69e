"""Pictures: sides, signs, scales and what the filters are read from."""

import io

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from dca.errors import ImageError, InputError, ModelError
from dca.report.filter_charts import responses
from dca.report.filters import encoder_filters
from dca.report.gallery import Gallery
from dca.report.group_maps import _read
from dca.report.picture import shrink_png
from dca.report.results import Folder, RunResults, read_volume, records
from dca.report.scales import Scale, atom_scale, z_scale
from dca.report.slices import Volume, draw_map, draw_mask, in_mm, peak
from dca.report.viewer import _coarsened, _strongest, add_viewer

SCALE = Scale(10.0, 3.0, "z")


def pixels(picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


@pytest.mark.parametrize("flip", [1, -1], ids=["RAS", "LAS"])
def test_left_of_the_brain_is_drawn_left_whatever_the_storage_order(tmp_path, flip) -> None:
    size = 12
    affine = np.diag([flip * 10.0, 10, 10, 1])
    affine[:3, 3] = [-flip * 55, -55, -55]
    data = np.zeros((size, size, size), np.float32)
    voxel = np.rint(np.linalg.solve(affine, [-35, 5, 5, 1]))[:3].astype(int)
    data[tuple(voxel)] = 9
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "z.nii.gz")
    values = read_volume(tmp_path / "z.nii.gz")
    cut = peak(values)
    assert in_mm(values, cut) == (-35, 5, 5)
    brain = Volume(np.ones_like(values.data), values.affine)
    image = pixels(draw_map(values, brain, brain, cut, SCALE, "a hot voxel"))
    axial = image[: int(0.8 * len(image)), image.shape[1] * 2 // 3 :]
    hot = (axial[..., 0] - axial[..., 2]) > 60
    assert hot.any()
    assert np.flatnonzero(hot.any(axis=0)).max() < axial.shape[1] / 2


def test_the_outline_of_a_mask_is_drawn_where_it_ends() -> None:
    grid = np.indices((24, 24, 24)) - 11.5
    head = np.square(grid).sum(axis=0) < 9**2
    image, mask = Volume(1.0 * head, np.eye(4)), Volume(1.0 * (np.square(grid).sum(axis=0) < 5**2), np.eye(4))
    drawn = [
        pixels(draw_mask(image, Volume(shown, np.eye(4)), "head", whole=True))
        for shown in (mask.data, np.ones_like(mask.data))
    ]
    blue = [(shown[..., 2] - shown[..., 0]) > 60 for shown in drawn]  # the head itself is grey
    assert blue[0].sum() > 200 and not blue[1].any()  # a mask of the whole grid ends nowhere


@given(arrays(np.float64, 8, elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_zero_and_unknown_are_transparent_and_signs_fade_alike(values) -> None:
    alpha = SCALE.rgba(values)[..., 3]
    assert np.all(alpha[~np.isfinite(values) | (values == 0)] == 0)
    assert np.all(alpha[np.isfinite(values) & (np.abs(values) >= SCALE.threshold)] == 1)
    np.testing.assert_array_equal(alpha, SCALE.rgba(-values)[..., 3])


def test_positive_is_warm_and_negative_cold() -> None:
    warm, cold = SCALE.rgba(np.array([5.0, -5.0]))[:, :3]
    assert warm[0] > warm[2] and cold[2] > cold[0]


def test_scales_hold_without_any_value() -> None:
    assert z_scale([]).limit > z_scale([]).threshold > 0
    assert atom_scale([np.zeros((2, 2, 2))]).limit > 0
    assert z_scale([np.array([0, np.nan, -20.0])]).limit == pytest.approx(20)


def test_peak_is_the_largest_value_or_the_strongest() -> None:
    data = np.zeros((3, 3, 3), np.float32)
    data[0, 1, 2], data[2, 1, 0], data[1, 1, 1] = 4, -9, np.nan
    assert peak(Volume(data, np.eye(4))) == (0, 1, 2)
    assert peak(Volume(data, np.eye(4)), two_sided=True) == (2, 1, 0)


def test_one_volume_of_a_map_file_is_found_by_event_and_turned(finished) -> None:
    run = RunResults(records(finished.runs)[0], Folder(finished.results))
    path = finished.results / "decompose" / "raw" / run.run_id / "maps.nii.gz"
    expected = nib.as_closest_canonical(nib.load(path)).get_fdata()[..., 1]
    found = run.atom_map("raw", 1, -1, run.events[1])
    np.testing.assert_allclose(found.data, -expected, rtol=1e-6)
    assert run.atom_map("raw", 11, 1, run.events[1]) is None


def test_a_map_of_the_group_is_the_z_over_its_runs(finished) -> None:
    event = finished.runs[0].events[0]
    maps = [
        RunResults(run, Folder(finished.results)).z_map(event)
        for run in records(finished.runs)
        if run["events"]
    ]
    volume, runs = _read(finished.results / "compare" / "z_sums.h5")[event]
    assert runs == len(maps) == 2
    np.testing.assert_allclose(volume.affine, maps[0].affine)
    np.testing.assert_allclose(volume.data, (maps[0].data + maps[1].data) / np.sqrt(2), rtol=1e-5)


def test_filters_are_read_as_stored(finished) -> None:
    filters, tr = encoder_filters(finished.results / "train" / "model")
    assert [layer.shape for layer in filters] == [(21, 1, 32), (9, 32, 64)] and tr == 0.72
    np.testing.assert_allclose(filters[0][10], 1, rtol=1e-6)


def test_filters_are_those_of_the_model(tmp_path) -> None:
    from dca.model import Architecture, build, save_model

    model = build(
        Architecture.from_config(
            {"preset": "paper", "features": [3, 4], "filters": [5, 3], "pooling": [2]}, 32
        )
    )
    save_model(model, tmp_path, {"tr": 2.0})
    filters, tr = encoder_filters(tmp_path)
    assert tr == 2.0 and len(filters) == 2
    for layer, kernel in zip(model.encoder, filters, strict=False):
        np.testing.assert_array_equal(layer.get_weights()[0], kernel)


def test_what_is_no_model_is_one_line(tmp_path) -> None:
    with pytest.raises(ModelError):
        encoder_filters(tmp_path)


def test_the_response_of_a_rhythm_peaks_at_its_frequency() -> None:
    tr = 0.5
    lag = np.arange(40) * tr
    frequency, gain = responses(np.cos(2 * np.pi * 0.25 * lag)[:, None], tr)
    assert frequency[-1] == pytest.approx(1 / (2 * tr))
    assert frequency[gain[:, 0].argmax()] == pytest.approx(0.25, abs=0.01)
    assert gain[:, 0].max() == pytest.approx(20, rel=0.05)


def test_what_is_no_image_is_one_line(tmp_path) -> None:
    (tmp_path / "x.nii.gz").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"x\.nii\.gz: cannot be read"):
        read_volume(tmp_path / "x.nii.gz")
    (tmp_path / "x.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable image"):
        shrink_png(tmp_path / "x.png", "nothing")


@pytest.mark.parametrize(("voxel_mm", "expected_mm"), [(2.0, 3.0), (4.0, 4.0)])
def test_viewers_of_fine_maps_are_coarser(voxel_mm, expected_mm) -> None:
    data = np.zeros((12, 12, 12), np.float32)
    data[4:8, 4:8, 4:8] = 5
    image = _coarsened(Volume(data, np.diag([voxel_mm, voxel_mm, voxel_mm, 1])), "nearest")
    assert image.header.get_zooms() == (expected_mm,) * 3
    middle = np.linalg.inv(image.affine) @ [5.5 * voxel_mm, 5.5 * voxel_mm, 5.5 * voxel_mm, 1]
    assert image.get_fdata()[tuple(middle[:3].round().astype(int))] == 5  # it stays in its place


@pytest.mark.parametrize(("voxel_mm", "turned"), [(2.0, 0.0), (2.0, 0.3), (1.0, 0.0)])
def test_no_single_voxel_is_lost_in_a_viewer(voxel_mm, turned) -> None:
    size = 6
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1])
    affine[:2, :2] = voxel_mm * np.array(
        [[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]]
    )
    for offset in np.ndindex(size, size, size):
        data = np.full((size + 4,) * 3, np.nan, np.float32)
        data[2:-2, 2:-2, 2:-2] = 0.5
        data[tuple(np.add(offset, 2))] = -5
        image = _coarsened(_strongest(Volume(data, affine)), "nearest")
        assert image.get_fdata().min() == -5, offset


def test_coarse_maps_keep_their_voxels() -> None:
    data = np.random.default_rng(0).standard_normal((5, 6, 7)).astype(np.float32)
    np.testing.assert_array_equal(_strongest(Volume(data, np.diag([3.0, 4, 3, 1]))).data, data)


@pytest.mark.parametrize("voxel_mm", [2.0, 4.0])
def test_a_viewer_says_what_became_of_fine_voxels(voxel_mm, tmp_path) -> None:
    data = np.zeros((12, 12, 12), np.float32)
    data[5, 5, 5] = 5
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1])
    background = Volume(data + np.arange(12, dtype=np.float32), affine)
    with Gallery(tmp_path / "01.html", viewers=True) as gallery:
        add_viewer(gallery, "map", "A map", Volume(data, affine), background, (5, 5, 5), SCALE)
    text = (tmp_path / "01_files" / "map.html").read_text()
    assert ("Voxels of 3 mm: each shows the strongest value" in text) == (voxel_mm < 3)
