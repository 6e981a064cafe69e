"""Backend fsl in the real workflow, with stand-ins for FSL's programs; beside it, native normalisation."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_mni152_template

from dca.files import read_json, read_tsv
from dca.signals import Shard
from dca.simulate import Scenario, simulate_dataset
from dca.simulate.layout import bold_path, events_path, sidecar_path

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.xdist_group("fsl"),
    pytest.mark.timeout(900),
]

RUN = "sub-01_task-motor"
VOLUMES = 32  # the fewest that the model takes
PREPROCESSED = ("--until", "extract_signals")
NATIVE_COLUMNS = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "framewise_displacement"]


@pytest.fixture
def fsl(monkeypatch, fsl_standins):
    monkeypatch.setenv("FSLDIR", str(fsl_standins))
    return fsl_standins


def test_backend_fsl_makes_the_files_that_native_makes(new_study, fsl):
    study = new_study(demo={"subjects": 1}, preprocess={"backend": "fsl", "smooth_mm": 6})
    study.snakemake(*PREPROCESSED)
    folder = study.results / "preprocess" / RUN
    names = ["desc-preproc_bold.nii.gz", "mask.nii.gz", "mean.nii.gz", "confounds.tsv", "summary.json"]
    assert [name for name in [*names, "carpet.png"] if not (folder / name).is_file()] == []
    assert set(NATIVE_COLUMNS) <= set(read_tsv(folder / "confounds.tsv").columns)
    bold, mask = (nib.load(folder / name) for name in names[:2])
    assert bold.shape[:3] == mask.shape
    inside = np.asarray(bold.dataobj)[np.asarray(mask.dataobj) > 0]
    assert np.isfinite(inside).any()
    steps = read_json(folder / "summary.json")["steps"]
    assert "0.0-standin" in str(steps)
    (smoothing,) = [step for step in steps if step["step"] == "smooth"]
    assert (smoothing["method"], smoothing["fwhm_mm"]) == ("SUSAN", 6)
    assert smoothing["brightness_threshold"] > 0
    assert list(folder.glob("*step.json")) == []
    assert [path.name for path in folder.glob("*_bold.nii.gz")] == [names[0]]


def test_mode_feat_makes_the_same_files(new_study, fsl):
    study = new_study(demo={"subjects": 1}, preprocess={"backend": "fsl", "fsl": {"mode": "feat"}})
    study.snakemake(*PREPROCESSED)
    folder = study.results / "preprocess" / RUN
    names = ["desc-preproc_bold.nii.gz", "mask.nii.gz", "mean.nii.gz", "confounds.tsv", "summary.json"]
    assert [name for name in [*names, "feat.fsf"] if not (folder / name).is_file()] == []


@pytest.fixture(scope="module")
def short_dataset(tmp_path_factory):
    """One subject with a few volumes of a simulated run, and a T1w image: the template."""
    folder = tmp_path_factory.mktemp("short")
    simulate_dataset(folder, 1, seed=1, scenario=Scenario(voxel_mm=12))
    bold = bold_path(folder, "01")
    nib.save(nib.load(bold).slicer[..., :VOLUMES], bold)
    events_path(folder, "01").unlink()  # resting state
    anatomy = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    anatomy.parent.mkdir()
    nib.save(load_mni152_template(resolution=8), anatomy)
    return folder


@pytest.fixture
def coefficients(tmp_path):
    """A scanner's file, as the stand-in for gradunwarp reads it: a small stretch."""
    (tmp_path / "coeff.grad").write_text("1.02")
    return tmp_path / "coeff.grad"


@pytest.mark.parametrize(
    "settings",
    [
        {"registration": "affine", "fsl": {"gradient_coefficients": "coeff.grad"}},
        {"registration": "nonlinear", "fsl": {"bbr": True}},
    ],
    ids=["affine, gradients unwarped", "nonlinear"],
)
def test_registered_runs_are_resampled_once_to_the_template(
    new_study, fsl, short_dataset, settings, coefficients
):
    if "gradient_coefficients" in settings["fsl"]:
        settings = settings | {"fsl": {"gradient_coefficients": str(coefficients)}}
    study = new_study(
        {"results": "results"},
        input={"source": "bids", "path": str(short_dataset), "validation": 0},
        preprocess={"backend": "fsl", "highpass_s": 0, **settings},
    )
    study.snakemake(*PREPROCESSED)
    folder = study.results / "preprocess" / RUN
    template = nib.load(fsl / "data/standard/MNI152_T1_2mm.nii.gz")
    images = [nib.load(folder / f"{name}.nii.gz") for name in ("desc-preproc_bold", "mask", "mean")]
    assert {image.shape[:3] for image in images} == {template.shape}
    assert all(np.allclose(image.affine, template.affine) for image in images)
    assert images[0].shape[3] == VOLUMES
    inside = np.asarray(images[1].dataobj) > 0
    brain = np.asarray(template.dataobj) > 0.3 * np.asarray(template.dataobj).max()
    assert 2 * (inside & brain).sum() / (inside.sum() + brain.sum()) > 0.7
    with Shard(study.results / f"signals/{RUN}.h5") as shard:
        assert shard.space == "MNI152NLin6Asym"
    assert [path.name for path in folder.glob("*_bold.nii.gz")] == ["desc-preproc_bold.nii.gz"]
    steps = [step["step"] for step in read_json(folder / "summary.json")["steps"]]
    assert (steps[0] == "gradient") == ("gradient_coefficients" in settings["fsl"])
    fields = [*folder.glob("*warp*"), *folder.glob("epi2standard.nii.gz")]
    assert fields == []  # they are large


def test_without_a_t1w_image_the_mean_epi_itself_is_registered(new_study, fsl, short_dataset, tmp_path):
    shutil.copytree(short_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("anat"))
    study = new_study(
        {"results": "results"},
        input={"source": "bids", "path": str(tmp_path / "data"), "validation": 0},
        preprocess={"backend": "fsl", "registration": "affine"},
    )
    folder = study.results / "preprocess" / RUN
    study.snakemake(f"results/preprocess/{RUN}/epi2standard.nii.gz")
    matrix, field = np.loadtxt(folder / "epi2standard.mat"), nib.load(folder / "epi2standard.nii.gz")
    assert matrix.shape == (4, 4) and np.linalg.det(matrix) > 0.5
    assert field.shape == (*nib.load(fsl / "data/standard/MNI152_T1_2mm.nii.gz").shape, 3)
    assert not (folder / "epi2t1w.mat").exists()


@pytest.fixture
def sliced_dataset(short_dataset, tmp_path):
    """The same, with the times of its slices."""
    shutil.copytree(short_dataset, tmp_path / "data")
    sidecar, slices = sidecar_path(tmp_path / "data", "01"), nib.load(bold_path(short_dataset, "01")).shape[2]
    described = read_json(sidecar)
    times = np.arange(slices) * described["RepetitionTime"] / slices
    sidecar.write_text(json.dumps(described | {"SliceTiming": times.tolist()}))
    return tmp_path / "data"


def test_native_with_a_deformation_ends_on_the_same_kind_of_grid(new_study, sliced_dataset):
    study = new_study(
        {"results": "results"},
        input={"source": "bids", "path": str(sliced_dataset), "validation": 0},
        preprocess={
            "registration": "nonlinear",
            "template_mm": 8,
            "regress": "motion6",
            "slice_timing": True,
            "smooth_mm": 10,
        },
    )
    study.snakemake(*PREPROCESSED)
    folder = study.results / "preprocess" / RUN
    template = load_mni152_template(resolution=8)
    images = [nib.load(folder / f"{name}.nii.gz") for name in ("desc-preproc_bold", "mask", "mean")]
    assert {image.shape[:3] for image in images} == {template.shape}
    summary = read_json(folder / "summary.json")
    steps = [step["step"] for step in summary["steps"]]
    assert steps[:7] == ["slicetiming", "motion", "mask", "bias", "register", "warp", "resample"]
    assert steps[7:] == ["scale", "smooth", "regress", "tissue", "confounds"]
    assert next(step for step in summary["steps"] if step["step"] == "smooth")["fwhm_mm"] == 10
    assert summary["space"] == "MNI152NLin2009aSym" and summary["mask_in_template_percent"] > 80
    with Shard(study.results / f"signals/{RUN}.h5") as shard:
        assert shard.space == "MNI152NLin2009aSym"


def test_missing_programs_are_one_line_before_anything_runs(new_study, monkeypatch, tmp_path):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    study = new_study(preprocess={"backend": "fsl"})
    done = study.snakemake(check=False)
    assert done.returncode != 0
    terminal = (done.stdout + done.stderr).splitlines()
    said = [line for line in terminal if "cannot find mcflirt, bet, fslmaths, fast" in line]
    assert len(said) == 1 and "FSLDIR" in said[0]
    assert not (study.results / "preprocess").exists()


def test_a_program_that_fails_is_named_with_run_and_step(new_study, monkeypatch, fsl, tmp_path):
    folder = tmp_path / "fsl"
    (folder / "bin").mkdir(parents=True)
    for program in (fsl / "bin").iterdir():
        (folder / "bin" / program.name).symlink_to(program)
    bet = folder / "bin" / "bet"
    bet.unlink()
    bet.write_text("#!/bin/sh\necho 'the brain is not in here' >&2\nexit 3\n")
    bet.chmod(0o755)
    monkeypatch.setenv("FSLDIR", str(folder))
    study = new_study(demo={"subjects": 1}, preprocess={"backend": "fsl"})
    done = study.snakemake(*PREPROCESSED, check=False)
    assert done.returncode != 0
    log = "".join(path.read_text() for path in study.results.parent.rglob(f"*{RUN}.mask.log"))
    assert "the brain is not in here" in log
    terminal = (done.stdout + done.stderr).splitlines()
    said = [line for line in terminal if line.startswith("dca: ") and "bet failed with status 3" in line]
    assert len(said) == 1 and RUN in said[0] and "step mask" in said[0]
    assert not (study.results / "preprocess" / RUN / "mask.nii.gz").exists()
