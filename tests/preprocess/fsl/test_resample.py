"""Registration, and one interpolation for all transforms, with stand-ins for FSL's programs."""

import nibabel as nib
import numpy as np
import pytest

from dca.errors import ImageError
from dca.preprocess.fsl import brain, gradient, register, resample
from dca.preprocess.fsl.geometry import read_matrices, write_matrices
from dca.preprocess.fsl.install import SPACE, standard_image
from dca.preprocess.fsl.interfaces import Scratch
from dca.preprocess.fsl.motion import correct_motion
from dca.preprocess.fsl.resample import Moved
from dca.preprocess.rigid import matrices_from_parameters

from ..conftest import AXIAL, SHAPE, centres, head, moving_head, oblique
from ..test_motion import wander

LENGTH = 2  # each volume takes three programs, and each program a second
pytestmark = pytest.mark.usefixtures("standin_fsl")


def data(path):
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, fsl_standins):
    """Folder with a run that moves, and what MCFLIRT, BET and FAST make of it."""
    folder = tmp_path_factory.mktemp("prepared")
    affine = oblique(AXIAL)
    truth = matrices_from_parameters(wander(4 * LENGTH)[::4], np.zeros(3))
    run = nib.Nifti1Image(moving_head(affine, truth, noise=0.1), affine)
    run.header.set_zooms((*run.header.get_zooms()[:3], 1.355))
    run.header.set_xyzt_units("mm", "sec")
    nib.save(run, folder / "bold.nii.gz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSLDIR", str(fsl_standins))
        names = ("bold.nii.gz", "aligned.nii.gz", "motion.tsv", "xfm.tsv", "mean.nii.gz")
        correct_motion(*(folder / name for name in names))
        brain.epi_brain(*(folder / f"{name}.nii.gz" for name in ("mean", "mask", "brain")))
        brain.bias_field(folder / "brain.nii.gz", folder / "bias.nii.gz")
    return folder


@pytest.fixture
def moved(prepared, tmp_path):
    """The same in a folder of the test's own: the path of the run."""
    for path in prepared.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path / "bold.nii.gz"


def test_without_other_transforms_it_is_motion_correction(moved, tmp_path):
    resample.resample(moved, tmp_path / "xfm.tsv", tmp_path / "mean.nii.gz", tmp_path / "out.nii.gz")
    out, mask = nib.load(tmp_path / "out.nii.gz"), data(tmp_path / "mask.nii.gz") > 0
    result, raw = np.asarray(out.dataobj)[mask], data(moved)[mask]
    assert result.std(axis=1).mean() < 0.35 * raw.std(axis=1).mean()
    aligned = data(tmp_path / "aligned.nii.gz")[mask]
    assert np.abs(result - aligned).mean() < 0.02 * aligned.mean()
    assert out.header.get_zooms()[3] == pytest.approx(1.355)  # which the merged volumes had lost
    np.testing.assert_allclose(out.affine, nib.load(moved).affine, atol=1e-4)


def test_gradient_unwarping_and_motion_are_one_interpolation(save, tmp_path):
    # The scanner shrinks the head along z by 1.1; the stand-in's warp is this stretch.
    points = centres(SHAPE, AXIAL)
    stretched = points * [1, 1, 1.1]
    run = np.stack([head(stretched)] * LENGTH, axis=-1)
    run += np.random.default_rng(0).normal(0, 0.1, run.shape)
    (tmp_path / "coeff.grad").write_text(str(1 / 1.1))
    bold, unwarped = save("bold.nii.gz", np.rint(run).astype(np.int16)), tmp_path / "unwarped.nii.gz"
    record = gradient.unwarp_gradients(bold, tmp_path / "coeff.grad", unwarped, tmp_path / "warp.nii.gz")
    assert (record["step"], record["vendor"]) == ("gradient", "siemens")
    middle = slice(3, -3)
    np.testing.assert_allclose(data(unwarped)[..., middle, 0], head(points)[..., middle], atol=4)
    write_matrices(tmp_path / "xfm.tsv", np.tile(np.eye(4), (LENGTH, 1, 1)))
    out = tmp_path / "out.nii.gz"
    resample.resample(bold, tmp_path / "xfm.tsv", unwarped, out, gradient_warp=tmp_path / "warp.nii.gz")
    np.testing.assert_allclose(data(out)[..., middle, 0], data(unwarped)[..., middle, 0], atol=0.5)
    for path in (unwarped, out):
        assert (
            data(path)[..., middle, :] % 1 != 0
        ).mean() > 0.5  # whole numbers went in, but nothing is rounded
    assert len(read_matrices(tmp_path / "xfm.tsv")) == LENGTH


def overlap(mask):
    """Dice coefficient of a mask with the template's brain."""
    target = np.asarray(nib.load(standard_image("_brain")).dataobj) > 0.1
    return 2 * (mask & target).sum() / (mask.sum() + target.sum())


def test_the_brain_lands_on_the_template(moved, tmp_path, standin_fsl):
    files = {name: tmp_path / f"{name}.nii.gz" for name in ("mean", "mask", "brain", "bias")}
    warp, folder = tmp_path / "warp.nii.gz", tmp_path / "results" / "sub-01"
    register.register_to_standard(files["brain"], tmp_path / "standard.mat")
    register.epi_to_standard(warp, standard_matrix=tmp_path / "standard.mat")
    record = resample.resample(
        moved,
        tmp_path / "xfm.tsv",
        files["mean"],
        folder / "bold.nii.gz",
        standard_warp=warp,
        source=Moved(files["mask"], files["mean"], files["bias"]),
        out=Moved(*(folder / f"{name}.nii.gz" for name in ("mask", "mean", "bias"))),
    )
    assert record["space"] == SPACE
    template = nib.load(standard_image("_brain"))
    out = nib.load(folder / "bold.nii.gz")
    assert out.shape == (*template.shape, LENGTH)
    np.testing.assert_allclose(out.affine, template.affine)
    assert out.header.get_zooms()[3] == pytest.approx(1.355)
    mask = data(folder / "mask.nii.gz") > 0
    assert overlap(mask) > 0.7
    run = np.asarray(out.dataobj)[mask]
    assert run.std(axis=1).mean() < 0.03 * run.mean()  # the head no longer moves
    np.testing.assert_allclose(data(folder / "mean.nii.gz")[mask], run.mean(axis=1), rtol=1e-3)
    assert (data(folder / "bias.nii.gz")[mask] > 0).all()
    lines = standin_fsl.read_text().splitlines()
    assert sum(line.startswith("applywarp") and "moved000" in line for line in lines) == LENGTH


@pytest.mark.parametrize("bbr", [False, True])
def test_a_t1w_image_leads_the_brain_to_the_template(moved, tmp_path, bbr, standin_fsl):
    mean, mask, epi = (tmp_path / f"{name}.nii.gz" for name in ("mean", "mask", "brain"))
    t1w, t1w_brain = tmp_path / "t1w.nii.gz", tmp_path / "t1w_brain.nii.gz"
    shifted = AXIAL + np.array([[0, 0, 0, 5.0]] * 3 + [[0] * 4])
    nib.save(nib.Nifti1Image(head(centres(SHAPE, AXIAL)).astype(np.float32), shifted), t1w)
    brain.anatomical_brain(t1w, t1w_brain)
    register.register_to_anatomy(mean, epi, t1w, t1w_brain, tmp_path / "anatomy.mat", bbr=bbr)
    register.register_to_standard(t1w_brain, tmp_path / "standard.mat")
    anatomy = {"anatomy_matrix": tmp_path / "anatomy.mat", "t1w": t1w}
    if bbr:
        register.warp_anatomy(t1w, tmp_path / "standard.mat", tmp_path / "t1w_warp.nii.gz")
        anatomy["anatomy_warp"] = tmp_path / "t1w_warp.nii.gz"
    warp, out = tmp_path / "warp.nii.gz", tmp_path / "moved_mask.nii.gz"
    register.epi_to_standard(warp, standard_matrix=tmp_path / "standard.mat", **anatomy)
    with Scratch("test", out) as scratch:
        scratch.run(gradient.apply_warp(mask, standard_image("_brain"), warp, out, "nn"), out)
    assert overlap(data(out) > 0) > 0.7
    assert ("epi_reg" in standin_fsl.read_text()) == bbr


def test_a_registration_that_went_astray_is_told(moved, tmp_path):
    far = np.eye(4)
    far[:3, 3] = 1000
    np.savetxt(tmp_path / "far.mat", far)
    register.epi_to_standard(tmp_path / "warp.nii.gz", standard_matrix=tmp_path / "far.mat")
    images = [tmp_path / f"{name}.nii.gz" for name in ("mask", "mean")]
    with pytest.raises(ImageError, match="registration went astray"):
        resample.resample(
            moved,
            tmp_path / "xfm.tsv",
            images[1],
            tmp_path / "out" / "bold.nii.gz",
            standard_warp=tmp_path / "warp.nii.gz",
            source=Moved(*images),
            out=Moved(tmp_path / "out" / "mask.nii.gz", tmp_path / "out" / "mean.nii.gz"),
        )
    assert not list(tmp_path.glob("out/*"))
