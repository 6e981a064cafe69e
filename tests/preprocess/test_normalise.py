"""Registration to the template, and one interpolation for motion and normalisation."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from dca.errors import ImageError, InputError
from dca.preprocess.register import align, register_to_template
from dca.preprocess.resample import OnGrid, resample
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_parameters
from dca.preprocess.run import preprocess_run
from dca.preprocess.template import SPACE, template_image, template_mask, template_on

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
    found = align((data, EPI), (data, far), brain, affine=False, subject="far")
    np.testing.assert_allclose(found[:3, 3], shift, atol=0.5)
    np.testing.assert_allclose(found[:3, :3], np.eye(3), atol=0.01)


def test_images_that_cannot_be_registered_are_told(tmp_path):
    empty = np.zeros(GRID, np.float32)
    with pytest.raises(ImageError, match="cannot be registered"):
        align((epi_of_template(), EPI), (empty, EPI), np.zeros(GRID, bool), affine=False, subject="mean.nii")


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
