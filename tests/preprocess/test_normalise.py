"""Registration to the template, and one interpolation for motion and normalisation."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from dca.errors import ImageError, InputError
from dca.preprocess.register import align, register_to_template
from dca.preprocess.resample import OnGrid, resample
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_parameters
from dca.preprocess.run import preprocess_run
from dca.preprocess.template import SPACE, template_image, template_mask, template_on
from dca.preprocess.warp import scanned_region, volume_ratio, warp_to_template

GRID = (34, 40, 30)
LENGTH = 3
EPI = np.array([[-5.0, 0, 0, 84], [0, 5, 0, -112], [0, 0, 5, -62], [0, 0, 0, 1]])


def true_affine():
    """From the template to the head: turned, shifted, and of another size."""
    matrix = np.eye(4)
    turn = Rotation.from_euler("xyz", [12, -4, 5], degrees=True).as_matrix()
    matrix[:3, :3] = turn @ np.diag([1.05, 0.93, 1.02])
    matrix[:3, 3] = [4, -9, 7]
    return matrix


def epi_of_template(motion=None):
    """A head that is the template with the contrast of an EPI (grey matter brighter than white)."""
    template = template_image(2)
    data = np.asarray(template.dataobj)
    data = gaussian_filter(np.where(data > 0.05, 1.3 - data / data.max(), 0) * 100, 1.5)
    index = np.linalg.inv(template.affine) @ np.linalg.inv(
        (np.eye(4) if motion is None else motion) @ true_affine()
    )
    index = index @ EPI
    return affine_transform(data, index[:3, :3], index[:3, 3], output_shape=GRID, order=1).astype(np.float32)


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """Mean EPI and mask of that head, and the matrix that was found."""
    folder = tmp_path_factory.mktemp("registered")
    data = epi_of_template() + np.random.default_rng(0).normal(0, 1, GRID).astype(np.float32)
    inside = epi_of_template() > 20
    nib.save(nib.Nifti1Image(data, EPI), folder / "mean.nii.gz")
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), EPI), folder / "mask.nii.gz")
    record = register_to_template(*(folder / f"m{x}" for x in ("ean.nii.gz", "ask.nii.gz", ".txt")))
    return folder, record


def test_a_known_affine_is_found_within_a_millimetre(registered):
    folder, record = registered
    found = np.loadtxt(folder / "m.txt")
    brain = np.argwhere(np.asarray(template_mask(2).dataobj) > 0)[::50]
    points = np.c_[brain, np.ones(len(brain))] @ template_image(2).affine.T
    off = np.linalg.norm((points @ (found - true_affine()).T)[:, :3], axis=1)
    assert np.sqrt(np.square(off).mean()) < 1
    assert record["space"] == SPACE == "MNI152NLin2009aSym"


@pytest.mark.parametrize("shift", [[70, -60, 50], [0, 0, 300]], ids=["overlapping", "apart"])
def test_a_head_far_away_is_found_by_its_centre_of_mass(shift):
    data, brain = epi_of_template(), epi_of_template() > 20
    far = EPI.copy()
    far[:3, 3] += shift
    found = align((data, EPI), brain, (data, far), affine=False, subject="far")
    np.testing.assert_allclose(found[:3, 3], shift, atol=0.5)
    np.testing.assert_allclose(found[:3, :3], np.eye(3), atol=0.01)


def test_images_that_cannot_be_registered_are_told(tmp_path):
    empty = np.zeros(GRID, np.float32)
    with pytest.raises(ImageError, match="cannot be registered"):
        align((epi_of_template(), EPI), np.zeros(GRID, bool), (empty, EPI), affine=False, subject="mean.nii")


@pytest.fixture
def run(registered, tmp_path):
    """A moving run of the head, with a bad voxel, its motion, and where to write."""
    rng = np.random.default_rng(1)
    rows = np.c_[rng.uniform(-4, 4, (LENGTH, 3)), rng.uniform(-0.06, 0.06, (LENGTH, 3))]
    motion = matrices_from_parameters(rows, grid_centre(EPI, GRID))
    data = np.stack([epi_of_template(matrix) for matrix in motion], axis=-1)
    data[17, 20, 15, 1] = np.nan
    image = nib.Nifti1Image(data, EPI)
    image.header.set_zooms((5, 5, 5, 1.355))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "bold.nii.gz")
    pd.DataFrame(rows, columns=PARAMETERS).to_csv(tmp_path / "motion.tsv", sep="\t", index=False)
    np.savetxt(tmp_path / "true.txt", true_affine())
    field = (1 + np.indices(GRID)[0] / 100).astype(np.float32)
    nib.save(nib.Nifti1Image(field, EPI), tmp_path / "bias.nii.gz")
    return tmp_path, OnGrid(
        registered[0] / "mask.nii.gz", registered[0] / "mean.nii.gz", tmp_path / "bias.nii.gz"
    )


def moved(folder):
    return OnGrid(*(folder / "out" / f"{name}.nii.gz" for name in ("mask", "mean", "bias")))


def test_a_wave_of_four_voxels_survives_the_resampling(tmp_path):
    # Straight lines between voxels would miss it by a fifth on the average.
    def wave(shape, affine):
        return np.sin(2 * np.pi * (np.arange(shape[0]) * affine[0, 0] + affine[0, 3]) / 20)[:, None, None]

    data = (100 + 10 * wave(GRID, EPI) * np.ones(GRID)).astype(np.float32)
    nib.save(nib.Nifti1Image(np.stack([data, 1.1 * data], axis=-1), EPI), tmp_path / "bold.nii.gz")
    for name, image in (("mask", np.ones(GRID, np.uint8)), ("mean", data)):
        nib.save(nib.Nifti1Image(image, EPI), tmp_path / f"{name}.nii.gz")
    pd.DataFrame(np.zeros((2, 6)), columns=PARAMETERS).to_csv(tmp_path / "motion.tsv", sep="\t", index=False)
    np.savetxt(tmp_path / "still.txt", np.eye(4))
    files = [tmp_path / name for name in ("bold.nii.gz", "motion.tsv", "still.txt", "out.nii.gz")]
    source = OnGrid(tmp_path / "mask.nii.gz", tmp_path / "mean.nii.gz")
    out = OnGrid(tmp_path / "moved_mask.nii.gz", tmp_path / "moved_mean.nii.gz")
    resample(*files, source, out, voxel_mm=8)
    found = nib.load(files[-1])
    first = np.asarray(found.dataobj)[..., 0]
    inside = np.asarray(nib.load(out.mask).dataobj) > 0
    inside[: len(inside) // 4] = inside[-len(inside) // 4 :] = False  # away from the edge of the grid
    wanted = 10 * wave(found.shape, found.affine) * np.ones(found.shape[:3])
    assert (first - 100 - wanted)[inside].std() < 0.05 * wanted[inside].std()


def test_every_volume_lands_on_the_template_whatever_its_motion(run):
    folder, source = run
    out = moved(folder)
    files = [folder / name for name in ("bold.nii.gz", "motion.tsv", "true.txt", "out.nii.gz")]
    record = resample(*files, source, out, voxel_mm=4)
    found, target = nib.load(files[-1]), template_image(4)
    assert found.shape == (*target.shape, LENGTH)
    np.testing.assert_allclose(found.affine, target.affine)
    np.testing.assert_allclose(found.header.get_zooms(), [4, 4, 4, 1.355], rtol=1e-6)
    inside = np.asarray(nib.load(out.mask).dataobj) > 0
    series = np.asarray(found.dataobj)[inside]
    bad = np.isnan(series).any(axis=1)
    assert 1 <= bad.sum() < 10 and np.isnan(series[bad]).all()  # NaN throughout, as in the run's own space
    series = series[~bad]
    still = epi_of_template()  # at rest; each volume shows the same
    assert series.std(axis=1).mean() < 0.1 * still[still > 20].std()
    np.testing.assert_allclose(
        np.asarray(nib.load(out.mean).dataobj)[inside][~bad], series.mean(axis=1), rtol=1e-3
    )
    brain = np.asarray(template_mask(4).dataobj) > 0
    assert 2 * (inside & brain).sum() / (inside.sum() + brain.sum()) > 0.93
    assert record["space"] == SPACE and record["mask_in_template_percent"] > 90 and record["warnings"] == []
    field = np.asarray(nib.load(out.bias).dataobj)
    assert 1 <= field.min() < field.max() <= 1.34


def test_a_registration_that_went_astray_is_told(run):
    folder, source = run
    names = [folder / name for name in ("bold.nii.gz", "motion.tsv", "far.txt", "out.nii.gz")]
    far = true_affine()
    far[:3, 3] += 60
    np.savetxt(names[2], far)
    assert (
        "lies in the template's brain" in resample(*names, source, moved(folder), voxel_mm=8)["warnings"][0]
    )
    far[:3, 3] += 1000
    np.savetxt(names[2], far)
    with pytest.raises(ImageError, match="registration went astray"):
        resample(*names, source, moved(folder), voxel_mm=8)


@pytest.fixture(scope="module")
def warped(tmp_path_factory):
    """A head that is the template, bent by 4 mm RMS and then moved; the truth, and what was found."""
    template = template_image(2)
    brain = np.asarray(template_mask(2).dataobj) > 0
    rng = np.random.default_rng(4)
    bend = np.stack([gaussian_filter(rng.standard_normal(template.shape), 12) for _ in range(3)], axis=-1)
    bend *= 4 / np.sqrt(np.square(bend[brain]).sum(axis=1).mean())
    # The head shows at y what the template has at x, where y = A (x + bend(x)): x by iteration.
    inverse, to_index = np.linalg.inv(true_affine()), np.linalg.inv(template.affine)
    goal = np.moveaxis(np.indices(GRID), 0, -1) @ EPI[:3, :3].T + EPI[:3, 3]
    goal = goal @ inverse[:3, :3].T + inverse[:3, 3]
    point = goal
    for _ in range(10):
        at = np.moveaxis(point @ to_index[:3, :3].T + to_index[:3, 3], -1, 0)
        bent = [map_coordinates(bend[..., axis], at, order=1, mode="nearest") for axis in range(3)]
        point = goal - np.stack(bent, axis=-1)
    at = np.moveaxis(point @ to_index[:3, :3].T + to_index[:3, 3], -1, 0)
    data = np.asarray(template.dataobj)
    data = gaussian_filter(np.where(data > 0.05, 1.3 - data / data.max(), 0) * 100, 1.5)
    head = map_coordinates(data, at, order=1) + rng.normal(0, 1, GRID)
    inside = map_coordinates(brain.astype(np.float32), at, order=1) > 0.5
    folder = tmp_path_factory.mktemp("warped")
    nib.save(nib.Nifti1Image(head.astype(np.float32), EPI), folder / "mean.nii.gz")
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), EPI), folder / "mask.nii.gz")
    np.savetxt(folder / "true.txt", true_affine())
    names = [folder / name for name in ("mean.nii.gz", "mask.nii.gz", "true.txt", "warp.nii.gz")]
    return folder, bend[brain], brain, warp_to_template(*names)


def test_a_deformation_is_found_without_folding(warped):
    folder, truth, brain, record = warped
    image = nib.load(folder / "warp.nii.gz")
    assert image.shape == (*template_image(2).shape, 1, 3)
    found = np.asarray(image.dataobj)[:, :, :, 0][brain]
    left = np.sqrt(np.square(found - truth).sum(axis=1).mean())
    assert left < 2.8  # of 4 mm
    assert record["volume_ratio"][0] > 0.2 and record["warnings"] == [] and record["space"] == SPACE
    assert record["largest_displacement_mm"] == pytest.approx(np.linalg.norm(found, axis=1).max())


def test_what_was_not_scanned_does_not_count():
    grid = np.diag([3.0, 3, 3, 1])
    slab = grid.copy()
    slab[2, 3] = 9  # the moving image starts three slices higher
    shapes = np.zeros((12, 12, 12)), np.zeros((12, 12, 6))
    region = scanned_region((shapes[0], grid), (shapes[1], slab), np.eye(4))
    expected = np.zeros((12, 12, 12), bool)
    expected[2:10, 2:10, 5:7] = True
    assert (region == expected).all()


def test_the_ratio_of_volumes_is_that_of_the_field():
    affine = np.diag([-2.0, 3, 4, 1])
    points = np.moveaxis(np.indices((5, 6, 7)), 0, -1) @ affine[:3, :3].T
    stretch = np.array([[0.1, 0.05, 0], [0, -0.2, 0], [0.3, 0, 0.4]])
    np.testing.assert_allclose(volume_ratio(points @ stretch.T, affine), 1.1 * 0.8 * 1.4)


def test_a_field_is_followed_before_the_matrix(run):
    folder, source = run
    names = [folder / name for name in ("bold.nii.gz", "motion.tsv", "true.txt", "out.nii.gz")]
    resample(*names, source, moved(folder), voxel_mm=8)
    grid, expected = template_image(8), np.asarray(nib.load(names[3]).dataobj)
    field = np.zeros((*template_image(2).shape, 1, 3), np.float32)
    field[..., 1] = 8  # one voxel to the front
    nib.save(nib.Nifti1Image(field, template_image(2).affine), folder / "warp.nii.gz")
    resample(*names, source, moved(folder), voxel_mm=8, warp=folder / "warp.nii.gz")
    found = np.asarray(nib.load(names[3]).dataobj)
    assert grid.affine[1, 1] == 8
    np.testing.assert_allclose(found[:, 2:-3], expected[:, 3:-2], atol=1e-3)


def test_motion_of_another_run_is_refused(run):
    folder, source = run
    names = [folder / name for name in ("bold.nii.gz", "motion.tsv", "true.txt", "out.nii.gz")]
    pd.read_csv(names[1], sep="\t").iloc[1:].to_csv(names[1], sep="\t", index=False)
    with pytest.raises(InputError, match="has 2 rows for 3 volumes"):
        resample(*names, source, moved(folder), voxel_mm=8)


def test_the_template_on_its_own_grid_is_itself():
    template = template_image(2)
    np.testing.assert_allclose(template_on(template.shape, template.affine), template.dataobj, atol=1e-6)


def test_a_whole_run_ends_in_the_template(run):
    folder, _ = run
    data = np.asarray(nib.load(folder / "bold.nii.gz").dataobj)
    noise = np.random.default_rng(2).normal(0, 1, (*GRID, 2 * LENGTH)).astype(np.float32)
    nib.save(nib.Nifti1Image(np.concatenate([data, data], axis=-1) + noise, EPI), folder / "long.nii.gz")
    out = folder / "preprocessed"
    summary = preprocess_run(folder / "long.nii.gz", out, tr=2.0, registration="affine", template_mm=6)
    assert [step["step"] for step in summary["steps"]] == [
        *("motion", "mask", "bias", "register", "resample", "scale", "highpass", "confounds")
    ]
    bold, mask, mean = (nib.load(out / f"{n}.nii.gz") for n in ("desc-preproc_bold", "mask", "mean"))
    target = template_image(6)
    assert bold.shape == (*target.shape, 2 * LENGTH) and mask.shape == mean.shape == target.shape
    np.testing.assert_allclose(bold.affine, target.affine)
    inside, brain = (np.asarray(image.dataobj) > 0 for image in (mask, template_mask(6)))
    assert 2 * (inside & brain).sum() / (inside.sum() + brain.sum()) > 0.9
    assert summary["space"] == SPACE and summary["warnings"] == []
    assert nib.load(out / "desc-epi_mask.nii.gz").shape == GRID  # the run's own grid, for the figures
    assert all((out / name).is_file() for name in ("carpet.png", "tsnr.png", "confounds.tsv"))
