import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dca.errors import ImageError
from dca.preprocess import motion
from dca.preprocess.motion import correct_motion
from dca.preprocess.rigid import (
    PARAMETERS,
    grid_centre,
    matrices_from_parameters,
    parameters_from_matrices,
    rms_displacement,
)

from .conftest import AXIAL, SHAPE, centres, head, moving_head, oblique

FLIPPED = AXIAL @ np.array([[-1, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
# The grid's axes run front-back, up-down, left-right, as in sagittal scans.
PERMUTED = np.array([[0.0, 0, 4, -38], [4, 0, 0, -42], [0, -4, 0, 50], [0, 0, 0, 1]])
ANISOTROPIC = np.array([[3.2, 0, 0, -33.6], [0, 4, 0, -50], [0, 0, 5, -47.5], [0, 0, 0, 1]])


def wander(length, seed=1):
    """Motion of up to about 2 mm and 2 degrees: parameters (T, 6)."""
    steps = np.random.default_rng(seed).normal(size=(length, 6)) * ([0.4] * 3 + [0.008] * 3)
    return np.cumsum(steps, axis=0)


def run(path, folder):
    record = correct_motion(path, folder / "moco.nii.gz", folder / "motion.tsv", folder / "mean.nii.gz")
    table = pd.read_csv(folder / "motion.tsv", sep="\t")
    return record, table, nib.load(folder / "moco.nii.gz")


@pytest.mark.parametrize(
    "affine",
    [AXIAL, FLIPPED, oblique(AXIAL), oblique(FLIPPED), PERMUTED, oblique(ANISOTROPIC)],
    ids=["axial", "flipped", "oblique", "both", "permuted", "anisotropic"],
)
def test_known_motion_is_recovered(save, tmp_path, affine):
    truth = matrices_from_parameters(wander(16), np.zeros(3))
    path = save("bold.nii.gz", moving_head(affine, truth), affine)
    record, table, aligned = run(path, tmp_path)
    assert list(table) == list(PARAMETERS)
    reference = record["reference_volume"]
    found = matrices_from_parameters(table.to_numpy(), grid_centre(affine, SHAPE))
    expected = truth @ np.linalg.inv(truth[reference])
    points = centres(SHAPE, affine)
    inside = head(points @ np.linalg.inv(truth[reference])[:3, :3].T) > 60
    error = rms_displacement(found, expected, points[inside])
    assert np.sqrt(np.square(error).mean()) < 0.05
    assert np.sqrt(np.square(rms_displacement(found * 0 + np.eye(4), expected, points[inside])).mean()) > 1
    np.testing.assert_allclose(table.iloc[reference], 0, atol=1e-3)
    # The aligned volumes look like the reference; the moved ones do not.
    moved, still = np.asarray(nib.load(path).dataobj)[inside], np.asarray(aligned.dataobj)[inside]
    assert still.std(axis=1).mean() < 0.35 * moved.std(axis=1).mean()
    np.testing.assert_allclose(aligned.affine, affine, atol=1e-5)
    mean = np.asarray(nib.load(tmp_path / "mean.nii.gz").dataobj)
    np.testing.assert_allclose(mean[inside], still.mean(axis=1), rtol=1e-5)


def test_a_brain_at_3_mm_is_found_as_exactly_as_promised_and_activation_does_not_move_it(
    tmp_path, load_benchmark
):
    # SNR 100, activation of 2 % in blocks; with the head of this folder, far smaller, less can be promised.
    benchmark = load_benchmark("preprocess")
    truth, points = benchmark.simulate(3, 1, 8, tmp_path / "bold.nii", template_mm=2)
    errors = benchmark.judge(*benchmark.native(tmp_path / "bold.nii", tmp_path), truth, points)
    assert errors["mm"] < 0.05 and errors["deg"] < 0.05
    assert errors["leak_mm"] < 0.01


def test_a_wave_of_four_voxels_survives_the_interpolation(save, tmp_path):
    # Half a voxel off is the worst: straight lines between voxels would leave 71 % of it.
    points = centres(SHAPE, AXIAL)
    wave = [15 * np.sin(2 * np.pi * (points[..., 0] - shift) / 16) for shift in (0, 2)]
    still = [
        head(points - [shift, 0, 0]) * (1 + part / 100) for shift, part in zip((0, 2), wave, strict=True)
    ]
    data = np.stack([still[t % 2] for t in range(12)], axis=-1).astype(np.float32)
    record, _, aligned = run(save("bold.nii.gz", data), tmp_path)
    inside = np.sqrt(np.square(points / [30, 36, 26]).sum(-1)) < 0.7
    reference = record["reference_volume"]
    error = (np.asarray(aligned.dataobj)[..., 1 - reference % 2] - still[reference % 2])[inside]
    assert error.std() < 0.1 * wave[0][inside].std()


def test_chunks_change_nothing(save, tmp_path, monkeypatch):
    path = save("bold.nii.gz", moving_head(AXIAL, matrices_from_parameters(wander(7), np.zeros(3))))
    folders = [tmp_path / "whole", tmp_path / "chunks"]
    run(path, folders[0])
    monkeypatch.setattr(motion, "CHUNK_BYTES", 3 * 4 * np.prod(SHAPE))
    assert list(motion._chunks((*SHAPE, 7))) == [3, 2, 2]
    run(path, folders[1])
    for name in ("moco.nii.gz", "motion.tsv", "mean.nii.gz"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.parametrize("length", [2, 3, 284])
def test_chunks_hold_every_volume_and_never_one(length):
    sizes = list(motion._chunks((99, 117, 95, length)))
    assert sum(sizes) == length
    assert min(sizes) >= 2


def test_broken_voxels_and_volumes_are_kept_apart_and_counted(save, tmp_path, caplog):
    caplog.set_level("INFO")
    parameters = wander(14)
    data = moving_head(AXIAL, matrices_from_parameters(parameters, np.zeros(3)))
    data[10, 12, 9, 3] = np.inf
    data[4, 5, 6, :] = np.nan
    data[..., 5], data[..., 8] = np.nan, 7
    record, table, aligned = run(save("sub-01_task-x_bold.nii.gz", data), tmp_path)
    assert record["unusable_volumes"] == [5, 8]
    (line,) = [message for message in caplog.messages if "constant or empty" in message]
    assert "sub-01_task-x_bold.nii.gz, step motion: " in line and line.endswith("stay unregistered: 2 (5, 8)")
    assert record["nonfinite_voxels"] == 2
    assert record["nonfinite_values"] == 1 + 12 + np.prod(SHAPE)  # volume 8 is finite throughout
    assert record["reference_volume"] not in (5, 8)
    assert (table.iloc[[5, 8]] == 0).all(axis=None)
    result = np.asarray(aligned.dataobj)
    broken = ~np.isfinite(result)
    assert np.argwhere(broken.any(axis=3)).tolist() == [[4, 5, 6], [10, 12, 9]]
    assert (broken.any(axis=3) == broken.all(axis=3)).all()
    assert np.nanmin(result[..., 8]) == np.nanmax(result[..., 8]) == 7
    truth = matrices_from_parameters(parameters, np.zeros(3))
    centre = grid_centre(AXIAL, SHAPE)
    expected = parameters_from_matrices(truth @ np.linalg.inv(truth[record["reference_volume"]]), centre)
    usable = [t for t in range(14) if t not in (5, 8)]
    np.testing.assert_allclose(table.to_numpy()[usable, :3], expected[usable, :3], atol=0.1)
    np.testing.assert_allclose(table.to_numpy()[usable, 3:], expected[usable, 3:], atol=0.004)


def test_reference_is_not_the_spoilt_volume_in_the_middle(save, tmp_path):
    data = moving_head(AXIAL, np.tile(np.eye(4), (12, 1, 1)))
    data[..., ::2, 6] *= 0.3  # a spike darkens every other slice
    record, table, _ = run(save("bold.nii.gz", data), tmp_path)
    assert record["reference_volume"] != 6
    clean = [t for t in range(12) if t != 6]
    assert table.iloc[clean, :3].abs().max(axis=None) < 0.1


def test_sform_counts_where_the_qform_disagrees(save, tmp_path):
    truth = matrices_from_parameters(wander(6), np.zeros(3))
    path = save("bold.nii.gz", moving_head(AXIAL, truth))
    _, expected, _ = run(path, tmp_path)
    image = nib.load(path)
    image.set_qform(oblique(FLIPPED), code=1)
    image.set_sform(AXIAL, code=2)
    nib.save(image, tmp_path / "two.nii.gz")
    _, found, aligned = run(tmp_path / "two.nii.gz", tmp_path)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(aligned.affine, AXIAL, atol=1e-5)
    np.testing.assert_allclose(aligned.get_qform(), image.get_qform(), atol=1e-4)


def test_volumes_without_the_head_are_named(save, tmp_path):
    parameters = np.zeros((12, 6))
    parameters[3], parameters[9, 0] = [60, 40, -30, 0.5, -0.4, 0.6], 300  # partly and wholly off the grid
    parameters[6] = [16, 10, -8, 0.16, -0.16, 0.16]
    data = moving_head(AXIAL, matrices_from_parameters(parameters, np.zeros(3)))
    record, table, aligned = run(save("bold.nii.gz", data), tmp_path)
    assert record["unaligned_volumes"] == [3, 9]
    assert np.isfinite(table).all(axis=None)
    assert np.isfinite(np.asarray(aligned.dataobj)).all()
    np.testing.assert_allclose(table.iloc[6, :3], parameters[6, :3], atol=0.5)
    calm = [t for t in range(12) if t not in (3, 6, 9)]
    assert table.iloc[calm].abs().max(axis=None) < 0.1


def test_two_volumes_are_enough(save, tmp_path):
    _, table, aligned = run(save("bold.nii", moving_head(AXIAL, np.tile(np.eye(4), (2, 1, 1)))), tmp_path)
    assert len(table) == aligned.shape[3] == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full((*SHAPE, 4), np.nan, np.float32), "no finite value"),
        (np.full((*SHAPE, 4), 3, np.float32), "does not change"),
        (np.repeat(moving_head(AXIAL, np.eye(4)[None]), 4, axis=3), "does not change"),
        (np.ones(SHAPE, np.float32), "not 4-D"),
        (np.ones((*SHAPE, 1), np.float32), "no time series"),
    ],
    ids=["all NaN", "constant", "still", "3-D", "one volume"],
)
def test_images_that_cannot_be_used_are_refused(save, tmp_path, data, message):
    with pytest.raises(ImageError, match=message):
        run(save("bold.nii.gz", data), tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_truncated_gzip_is_refused_and_leaves_nothing(still, tmp_path):
    still.write_bytes(still.read_bytes()[:-30_000])
    with pytest.raises(ImageError, match="truncated or damaged"):
        run(still, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))
