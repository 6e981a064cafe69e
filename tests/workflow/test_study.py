"""The real workflow on a small study: complete, economical, interruptible, clear about errors."""

import json
import os
import shutil
import signal

import nibabel as nib
import numpy as np
import pytest

from dca.config import ROOT
from dca.files import read_json, read_tsv
from dca.inputs import read_runs

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.horovod,
    pytest.mark.xdist_group("study"),
    pytest.mark.timeout(1800),
]

RUN = "sub-01_task-motor"
EVENTS = ["cue", "left-finger", "left-toe", "right-finger", "right-toe", "tongue"]
# Everything here follows from inputs and seeds; training by Downpour and what follows from it does not.
DETERMINISTIC = ["inputs.tsv", "signals/*.h5", "glm/*/*_z.nii.gz", "decompose/raw/*/dictionary.tsv"]


def pages(*names: str) -> set[str]:
    """Pages of the report and the folders beside them."""
    return {f"report/{name}{suffix}" for name in names for suffix in (".html", "_files")}


def test_every_file_of_the_contract_is_there(study):
    per_run = [
        *(f"preprocess/{{}}/{name}" for name in ("desc-preproc_bold.nii.gz", "mask.nii.gz", "mean.nii.gz")),
        *(f"preprocess/{{}}/{name}" for name in ("confounds.tsv", "summary.json", "carpet.png", "tsnr.png")),
        "signals/{}.h5",
        "features/{}.h5",
        *(
            f"decompose/{setup}/{{}}/{name}"
            for setup in ("raw", "dca")
            for name in ("dictionary.tsv", "coefficients.npz", "maps.nii.gz", "summary.json")
        ),
        *(f"glm/{{}}/{event}_{kind}.nii.gz" for event in [*EVENTS, "left-right"] for kind in ("z", "effect")),
        "glm/{}/design.tsv",
        "glm/{}/summary.json",
    ]
    runs = [run.run_id for run in read_runs(study.results / "inputs.tsv")]
    assert runs == [f"sub-{n}_task-motor" for n in ("01", "02")]
    names = [name.format(run) for run in runs for name in per_run]
    names += [f"train/{name}" for name in ("model/card.json", "model/model.weights.h5", "summary.json")]
    names += ["train/history.tsv", "train/timeline.tsv", "compare/pcc.tsv", "compare/group.tsv"]
    names += [f"report/{name}.html" for name in ("index", "01", "02")]
    assert [name for name in names if not (study.results / name).is_file()] == []


def test_nothing_temporary_is_left(study):
    assert sorted(study.results.glob("preprocess/*/*step.json")) == []
    assert [p.name for p in study.results.glob(f"preprocess/{RUN}/*_bold.nii.gz")] == [
        "desc-preproc_bold.nii.gz"
    ]
    assert [p for p in study.results.rglob(".*") if p.is_file()] == []
    assert not (study.results / "train" / "checkpoints").exists()


def test_workers_of_a_horovod_training_shared_the_rows(study):
    summary = json.loads((study.results / "train/summary.json").read_text())
    history = read_tsv(study.results / "train/history.tsv")
    assert summary["mode"] == "downpour" and summary["updates"] == 40
    assert set(history.loc[history["split"] == "train", "worker"].dropna().astype(int)) == {0, 1}
    assert np.isfinite(summary["validation_loss"]["loss"])


def test_the_comparison_has_a_row_for_every_run_setup_and_event(study):
    table = read_tsv(study.results / "compare/pcc.tsv")
    assert len(table) == 2 * 2 * len(EVENTS)
    assert table["pcc"].between(0, 1).all() and table["p"].between(1 / 51, 1).all()


def test_a_second_run_has_nothing_to_do(study):
    done = study.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr
    assert study.planned() == set()


def test_a_changed_subject_reruns_itself_the_training_and_what_follows(study):
    bold = study.results / "demo/sub-02/func/sub-02_task-motor_bold.nii.gz"
    before = bold.stat().st_mtime_ns
    os.utime(bold)
    try:
        planned = study.planned()
    finally:
        os.utime(bold, ns=(before, before))
    assert "signals/sub-02_task-motor.h5" in planned
    assert "train/summary.json" in planned
    assert f"features/{RUN}.h5" in planned and f"decompose/dca/{RUN}/dictionary.tsv" in planned
    early = ("preprocess", "signals", "glm", "decompose/raw")
    assert not {name for name in planned if RUN in name and name.startswith(early)}
    assert study.planned() == set()


def test_a_changed_setting_reruns_only_its_stage_and_what_follows(study):
    study.configure(glm={"hrf": "glover"})
    planned = study.planned()
    study.configure()
    assert f"glm/{RUN}/design.tsv" in planned and "report/01.html" in planned
    assert not {name for name in planned if name.startswith(("preprocess", "signals", "train", "features"))}


def test_other_limits_of_motion_rebuild_the_pages_alone(study):
    study.configure(preprocess={"limits": {"mean_fd_mm": 0.01}})
    planned = study.planned()
    study.configure()
    assert planned == pages("01", "02", "index")


def test_a_run_over_the_limits_is_left_out_if_so_set(new_study):
    settings = {"demo": {"subjects": 3}, "input": {"validation": ["03"]}}
    other = new_study(**settings)
    other.snakemake("preprocess")
    found = {n: read_json(next(other.results.glob(f"preprocess/sub-0{n}*/summary.json"))) for n in (1, 2, 3)}
    means = {n: summary["mean_fd_mm"] for n, summary in found.items()}
    limit = (means[1] + means[2]) / 2
    left_out = {n for n, mean in means.items() if mean > limit}
    other.configure(**settings, preprocess={"limits": {"mean_fd_mm": limit}, "exclude_over_limits": True})
    other.snakemake("results/preprocess/included.tsv")
    planned = other.planned()
    for n in (1, 2, 3):
        run = f"sub-0{n}_task-motor"
        later = {f"signals/{run}.h5", f"glm/{run}/design.tsv", f"decompose/raw/{run}/maps.nii.gz"}
        assert later <= planned if n not in left_out else not later & planned
        assert f"report/0{n}.html" in planned
    assert len(left_out & {1, 2}) == 1 and "train/summary.json" in planned


def test_native_and_fsl_plan_the_same_files_from_the_same_settings(new_study, fsl_standins, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(fsl_standins))
    names = ["desc-preproc_bold.nii.gz", "mask.nii.gz", "mean.nii.gz", "confounds.tsv", "summary.json"]
    names += ["carpet.png", "tsnr.png", "motion.tsv", "desc-epi_mask.nii.gz", "desc-epi_mean.nii.gz"]
    for backend in ("native", "fsl"):
        planned = new_study(preprocess={"backend": backend, "registration": "affine"}).planned("preprocess")
        assert {f"preprocess/{RUN}/{name}" for name in names} <= planned


def test_other_caps_on_the_jobs_of_a_cluster_rebuild_nothing(study):
    study.configure(cluster={"max_mem_mb": 9000})
    planned = study.planned()
    study.configure()
    assert planned == set()


def test_a_deleted_page_is_rebuilt_alone(study):
    page = study.results / "report/02.html"
    text = page.read_text()
    page.unlink()
    assert study.planned() == pages("02")
    study.snakemake()
    assert page.read_text() == text


@pytest.mark.parametrize(
    "target", ["preprocess", "signals", "train", "features", "decompose", "glm", "compare"]
)
def test_stages_are_targets(study, target):
    assert study.planned(target) == set()


def test_a_single_file_is_a_target(study):
    wanted = study.results / f"glm/{RUN}/tongue_z.nii.gz"
    wanted.unlink()
    study.snakemake(f"results/glm/{RUN}/tongue_z.nii.gz")
    assert wanted.is_file()
    study.snakemake()


def test_the_standard_place_of_the_snakefile_works_too(study):
    done = study.snakemake("-n", snakefile=ROOT / "workflow/Snakefile")
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": {"worker": 3}}, "unknown setting `train.worker`; did you mean `workers`?"),
        ({"decompose": {"atoms": "many"}}, 'setting `decompose.atoms` is "many"'),
        ({"glm": {"contrasts": {"x": {"nose": 1}}}}, "nose"),
        ({"input": {"source": "bids", "path": "nowhere"}}, "nowhere"),
        ({"input": {"source": "bids", "path": None}}, "input.path"),
        ({"results": "out{run_id}"}, "has a word in braces"),
        ({"model": {"filters": [5, 3]}}, "has 4 feature counts, 2 filter lengths"),
        ({"glm": {"contrasts": {"x": {"cue": 0}}}}, "has no weight other than 0"),
    ],
)
def test_bad_settings_get_one_clear_line(new_study, changes, message):
    done = new_study(**changes).snakemake("-n", check=False)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if message in line]
    assert len(lines) == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def image(path, volumes):
    data = np.random.default_rng(0).normal(1000, 10, (4, 4, 4, volumes)).astype(np.float32)
    header = nib.Nifti1Header()
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header.set_zooms((4, 4, 4, 2))
    header.set_xyzt_units("mm", "sec")
    header.set_sform(np.diag([4, 4, 4, 1]), 2)
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(data, None, header), path)


@pytest.mark.parametrize(
    ("folder", "volumes", "message"),
    [
        ("data{run_id}", 40, "has a word in braces"),
        ("data", 20, "fewer than the 32 volumes that the model needs: sub-01_task-rest (20)"),
    ],
)
def test_bad_inputs_get_one_clear_line(new_study, folder, volumes, message):
    study = new_study(input={"source": "bids", "path": folder})
    data = study.folder / folder
    image(data / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz", volumes)
    (data / "dataset_description.json").write_text('{"Name": "small", "BIDSVersion": "1.8.0"}')
    done = study.snakemake("-n", check=False)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if message in line]
    assert len(lines) == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_results_folder_that_cannot_be_made_gets_one_clear_line(new_study):
    study = new_study(results="file/results")
    (study.folder / "file").write_text("")
    done = study.snakemake("-n", check=False)
    assert done.returncode != 0 and "cannot be written" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("number", "once"),
    [
        (signal.SIGINT, "results/preprocess/*/motion.tsv"),
        (signal.SIGKILL, "results/signals/*.h5"),
        (signal.SIGINT, "results/train/checkpoints/step-*.npz"),
        (signal.SIGKILL, "results/train/checkpoints/step-*.npz"),
    ],
)
def test_an_interrupted_study_is_finished_by_one_more_call(study, new_study, number, once):
    other = new_study()
    # The simulated input is the longest part and the same: take it over.
    shutil.copytree(study.results / "demo", other.results / "demo")
    other.interrupt(number, once)
    other.snakemake("--unlock")
    other.snakemake("--rerun-incomplete")
    assert files(other) == files(study)
    for pattern in DETERMINISTIC[1:]:
        for path in sorted(study.results.glob(pattern)):
            twin = other.results / path.relative_to(study.results)
            assert same_content(path, twin), path
    one, two = (json.loads((s.results / "train/summary.json").read_text()) for s in (study, other))
    assert two["validation_loss"]["loss"] == pytest.approx(one["validation_loss"]["loss"], rel=0.05)


def files(study):
    skip = ("logs/", "benchmarks/", "demo/")
    names = (str(path.relative_to(study.results)) for path in study.results.rglob("*") if path.is_file())
    return {name for name in names if not name.startswith(skip)}


def same_content(one, two):
    if one.suffix == ".h5":
        import h5py

        with h5py.File(one) as a, h5py.File(two) as b:
            return all(np.array_equal(a[name][:], b[name][:]) for name in ("signals", "voxel", "mean", "std"))
    if one.name.endswith(".nii.gz"):
        import nibabel as nib

        return np.array_equal(nib.load(one).get_fdata(), nib.load(two).get_fdata())
    return one.read_text() == two.read_text()
