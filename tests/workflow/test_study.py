"""The real workflow on a small study: complete, economical, interruptible, clear about errors."""

import json
import os
import re
import shutil
import signal
from dataclasses import replace

import h5py
import nibabel as nib
import numpy as np
import pytest

from dca.config import ROOT
from dca.files import read_json, read_tsv
from dca.inputs import read_runs
from dca.signals import Shard
from dca.simulate.layout import TR, bold_path, events_path

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.horovod,
    pytest.mark.xdist_group("study"),
    pytest.mark.timeout(1800),
]

TASK = "task-motor"
RUN = f"sub-01_{TASK}"
SHORTER = 200  # volumes
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
    names += [f"report/{name}.html" for name in ("index", "training", "01", "02")]
    assert [name for name in names if not (study.results / name).is_file()] == []


def test_nothing_temporary_is_left(study):
    assert sorted(study.results.glob("preprocess/*/*step.json")) == []
    assert [p.name for p in study.results.glob(f"preprocess/{RUN}/*_bold.nii.gz")] == [
        "desc-preproc_bold.nii.gz"
    ]
    hidden = {p.name for p in study.results.rglob(".*") if p.is_file()}
    assert hidden <= {".snakemake_timestamp"}  # of the report's folders
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
    assert (table["p"] <= table["p_corrected"]).all()
    assert (table["others"] == 0).all()  # subjects in spaces of their own


def test_every_table_of_the_comparison_says_what_its_columns_are_and_which_split_a_row_is_of(study):
    tables = sorted(study.results.glob("compare/**/*.tsv"))
    assert len(tables) == 6
    for path in tables:
        columns = list(read_tsv(path))
        assert columns == list(read_json(path.with_suffix(".json")))
        assert "split" in columns


def test_one_dictionary_of_all_training_runs_serves_held_out_runs(study):
    study.configure(decompose={"level": "both", "setups": ["raw", "dca", "dca-signal"]})
    held_out, reconstructed = f"decompose/raw-group/{RUN}", f"decompose/dca-signal/{RUN}"
    planned = study.planned()
    study.configure(decompose={"level": "both", "setups": ["raw", "dca-signal"]})
    study.snakemake("results/compare/replication.tsv", f"results/{reconstructed}/summary.json")
    study.configure()
    assert {f"decompose/dca-group/{RUN}/maps.nii.gz", "compare/replication.tsv"} <= planned
    replication = read_tsv(study.results / "compare/replication.tsv")
    assert replication["event"].tolist() == EVENTS and set(replication["setup"]) == {"raw-group"}
    assert set(replication["run_id"]) == {RUN} and replication["pcc"].between(-1, 1).all()
    assert (replication["training_runs"] == 0).all()  # whose maps are in spaces of their own
    group = read_json(study.results / "decompose/group/raw/summary.json")
    assert (group["runs"], group["split_half"]) == (1, None)
    assert read_json(study.results / held_out / "summary.json")["level"] == "group"
    assert read_json(study.results / reconstructed / "summary.json")["setup"] == "dca-signal"


def test_runs_are_encoded_with_a_model_trained_elsewhere(study):
    model = study.folder / "a model"
    shutil.copytree(study.results / "train" / "model", model)
    study.configure(encode={"model": str(model), "denoised": True})
    planned = study.planned()
    image = f"features/{RUN}_denoised.nii.gz"
    assert image in planned and f"features/{RUN}.h5" in planned
    assert not {name for name in planned if name.startswith("train")}
    study.snakemake(f"results/{image}")
    denoised, bold = (
        nib.load(study.results / n) for n in (image, f"preprocess/{RUN}/desc-preproc_bold.nii.gz")
    )
    study.configure()
    assert denoised.shape == bold.shape and denoised.header.get_zooms() == bold.header.get_zooms()
    np.testing.assert_allclose(denoised.affine, bold.affine)


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
    assert planned == pages("01", "02", "index", "training")


@pytest.fixture(scope="module")
def spoilt(study, tmp_path_factory):
    """The small study's images, and a third subject's that is shorter and full of noise."""
    folder = tmp_path_factory.mktemp("spoilt")
    shutil.copytree(study.results / "demo", folder, dirs_exist_ok=True)
    source, target = (folder / f"sub-{n}" / "func" for n in ("01", "03"))
    target.mkdir(parents=True)
    for path in source.iterdir():
        shutil.copy(path, target / path.name.replace("sub-01", "sub-03"))
    bold = bold_path(folder, "03")
    image = nib.load(bold)
    noise = np.random.default_rng(0).normal(0, 20, (*image.shape[:3], SHORTER))
    nib.save(nib.Nifti1Image(image.get_fdata()[..., :SHORTER] + noise, image.affine, image.header), bold)
    events = read_tsv(events_path(folder, "03"))
    within = events["onset"] + events["duration"] < SHORTER * TR
    events[within].to_csv(events_path(folder, "03"), sep="\t", index=False)
    return folder


def test_a_run_over_the_limits_has_no_part_in_the_study_if_so_set(study, new_study, spoilt):
    good = [read_json(path)["tsnr_median"] for path in study.results.glob("preprocess/*/summary.json")]
    moves = [
        read_tsv(path)["framewise_displacement"] for path in study.results.glob("preprocess/*/confounds.tsv")
    ]
    moved_mm = round(float(min(fd.quantile(0.97) for fd in moves)), 4)  # some volumes of every run
    settings = {
        "input": {"source": "bids", "path": str(spoilt), "validation": ["02"]},
        "preprocess": {
            "limits": {"tsnr": 0.7 * min(good)},
            "exclude_over_limits": True,
            "regress": "motion6",
            "censor_fd_mm": moved_mm,
        },
        "signals": {"length": "crop", "storage": "float16"},
        "train": {"mode": "single", "max_steps": 5},
        "encode": {"storage": "float16"},
    }
    other = new_study(**settings)
    other.snakemake("results/signals/sub-01_task-motor.h5")
    with Shard(other.results / "signals/sub-01_task-motor.h5") as shard:
        assert shard.length == 284  # though the run that is left out is shorter
    other.snakemake()
    for folder, dataset in (("signals", "signals"), ("features", "H")):
        with h5py.File(other.results / folder / "sub-01_task-motor.h5") as file:
            assert file[dataset].dtype == np.float16
    kept = {"sub-01_task-motor", "sub-02_task-motor"}
    assert {path.stem for path in other.results.glob("signals/*.h5")} == kept
    left = [path for path in other.results.rglob("*sub-03*") if path.is_file()]
    assert {path.relative_to(other.results).parts[0] for path in left} <= {
        "logs", "benchmarks", "preprocess", "report",
    }  # fmt: skip
    assert set(read_tsv(other.results / "compare/pcc.tsv")["run_id"]) == kept
    for run_id in kept:  # volumes that moved are marked, left out of the fits, and counted
        confounds = read_tsv(other.results / f"preprocess/{run_id}/confounds.tsv")
        moved = confounds["framewise_displacement"] > moved_mm
        assert 0 < moved.sum() < 100 and (confounds["censored"] == moved).all()
        counted = [
            read_json(other.results / f"{folder}/{run_id}/summary.json")["censored_volumes"]
            for folder in ("preprocess", "glm")
        ]
        assert counted == [moved.sum()] * 2
    table = read_tsv(other.results / "preprocess/included.tsv").set_index("run_id")
    assert table["included"].to_dict() == {f"sub-0{n}_task-motor": int(n < 3) for n in (1, 2, 3)}
    index, page = ((other.results / f"report/{name}.html").read_text() for name in ("index", "03"))
    assert "2 of 3 in" in index and "1 left out, beyond the limits: sub-03_task-motor" in index
    assert "median temporal SNR" in table.loc["sub-03_task-motor", "reasons"]
    assert "Left out of training, GLM and comparison:" in page
    assert other.planned() == set()


@pytest.fixture(scope="module")
def fmriprep(study, tmp_path_factory):
    """What fMRIPrep would have made of the small study's first subject, by its names."""
    folder, made = tmp_path_factory.mktemp("fmriprep"), study.results / "preprocess" / RUN
    func = folder / "sub-01" / "func"
    func.mkdir(parents=True)
    (folder / "dataset_description.json").write_text(
        '{"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}'
    )
    stem = func / RUN
    shutil.copy(
        made / "desc-preproc_bold.nii.gz", f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    )
    mask = nib.load(made / "mask.nii.gz")
    inside = np.asarray(mask.dataobj) * (np.arange(mask.shape[2]) > mask.shape[2] // 2)  # no mask of our own
    nib.save(
        nib.Nifti1Image(inside.astype(np.uint8), mask.affine),
        f"{stem}_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz",
    )
    table = read_tsv(made / "confounds.tsv").drop(columns="std_dvars").assign(rmsd=0.5)
    table.to_csv(f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False, na_rep="n/a")
    return folder, inside > 0


@pytest.mark.parametrize("raw", [True, False], ids=["beside the raw dataset", "alone"])
def test_derivatives_of_fmriprep_are_used_as_they_are(study, new_study, fmriprep, raw):
    folder, inside = fmriprep
    demo = study.results / "demo"
    events = folder / "sub-01" / "func" / f"{RUN}_events.tsv"
    if not raw:
        shutil.copy(events_path(demo, "01"), events)
    source = {"source": "bids", "path": str(demo) if raw else None, "derivatives": str(folder)}
    other = new_study(input=source | {"participants": ["01"]}, preprocess={"backend": "none"})
    other.snakemake("glm") if raw else other.snakemake(f"results/preprocess/{RUN}/confounds.tsv")
    table = read_tsv(other.results / "preprocess" / RUN / "confounds.tsv")
    given = read_tsv(folder / "sub-01" / "func" / f"{RUN}_desc-confounds_timeseries.tsv")
    assert table[list(given)].equals(given) and {"rmsd", "std_dvars"} <= set(table)
    (run,) = read_runs(other.results / "inputs.tsv")
    assert list(run.events) == EVENTS and run.space == "MNI152NLin2009cAsym"
    if raw:
        with Shard(other.results / f"signals/{RUN}.h5") as shard:
            assert shard.n_voxels == inside.sum() and shard.space == "MNI152NLin2009cAsym"
        z = np.asarray(nib.load(other.results / f"glm/{RUN}/tongue_z.nii.gz").dataobj)
        assert (np.isfinite(z) & (z != 0)).sum() == inside.sum()
        # One stage first and the whole study later: nothing is preprocessed twice.
        assert [name for name in other.planned() if name.startswith(("preprocess", "signals", "glm"))] == []


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


def test_a_new_subject_leaves_a_frozen_model_and_the_other_subjects_alone(study):
    study.configure(demo={"subjects": 3})
    anew = study.planned()
    study.configure(demo={"subjects": 3}, train={"freeze": True})
    frozen = study.planned()
    runs = {run.run_id: run.split for run in read_runs(study.results / "inputs.tsv")}
    study.configure()
    assert study.planned() == set()
    assert "train/summary.json" in anew and f"features/{RUN}.h5" in anew
    new = {name for name in frozen if "sub-03" in name}
    assert {f"signals/sub-03_{TASK}.h5", f"features/sub-03_{TASK}.h5", f"glm/sub-03_{TASK}/design.tsv"} <= new
    # Maps are held against those of all other subjects, and all pages show the settings.
    assert {name.split("/")[0] for name in frozen - new if "/demo/" not in name} == {"compare", "report"}
    trained = read_json(study.results / "train/model/card.json")["trained_on"]
    assert {run_id for run_id, split in runs.items() if split == "train"} == set(trained)


@pytest.fixture
def common_space(new_study, load_benchmark, tmp_path):
    """Three subjects in a template's space and a model that stays, all done, with empty files."""
    dag, folder = load_benchmark("dag"), tmp_path / "study"
    dag.make(3, folder, 2, "train: {freeze: true}\n")
    dag.finish(folder)
    dag.keep_model(folder)
    return dag, replace(new_study(), folder=folder)


def test_a_new_subject_in_a_common_space_plans_its_own_jobs_and_those_of_the_study(common_space):
    dag, study = common_space
    # All brought up to date with one another, by the command of docs/training.md.
    assert study.planned("--forcerun", "compare_run") == {
        *(f"compare/{name}.tsv" for name in ("pcc", "group")),
        *(f"compare/{kind}/{run}.tsv" for kind in ("runs", "atoms") for run in dag_runs(range(3))),
        *pages("index", "00000", "00001", "00002"),
    }
    dag.add(3, study.folder, 2)
    planned = study.planned()
    own = {name for name in planned if "00003" in name}
    assert {f"compare/runs/{run}.tsv" for run in dag_runs([3])} | pages("00003") <= own
    common = {f"compare/{name}" for name in ("z_sums.h5", "pcc.tsv", "group.tsv")}
    assert planned - own == common | pages("index")


def dag_runs(subjects):
    """Runs of subjects that benchmarks/dag.py makes, two of each."""
    return [f"sub-{subject:05d}_task-motor_run-{run}" for subject in subjects for run in (1, 2)]


def test_an_excluded_run_leaves_a_frozen_model_and_the_others_alone(study):
    (trained_on,) = read_json(study.results / "train/model/card.json")["trained_on"]
    study.configure(input={"exclude": [trained_on]}, train={"freeze": True})
    planned = study.planned()
    listed = read_runs(study.results / "inputs.tsv")
    study.configure()
    assert study.planned() == set()
    assert trained_on not in {run.run_id for run in listed} and len(listed) == 1
    assert {name.split("/")[0] for name in planned} == {"compare", "report"}


def test_a_deleted_page_is_rebuilt_alone(study):
    page = study.results / "report/02.html"
    commands = re.compile(
        r'<pre[^>]* aria-label="Commands">.*?</pre>', re.DOTALL
    )  # there is one more by then
    text = commands.sub("", page.read_text())
    page.unlink()
    assert study.planned() == pages("02")
    study.snakemake()
    assert commands.sub("", page.read_text()) == text


def test_what_a_page_reads_beside_a_table_is_made_for_it(study):
    missing = [study.results / name for name in ("report/01.html", f"features/{RUN}_reconstruction.json")]
    for path in missing:
        path.rename(path.with_suffix(".aside"))
    try:
        planned = study.planned()
    finally:
        for path in missing:
            path.with_suffix(".aside").rename(path)
    assert {str(path.relative_to(study.results)) for path in missing} <= planned
    assert study.planned() == set()


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
        (
            {"preprocess": {"regress": "motion24_compcor"}},
            "regress: motion24_compcor needs a T1w image of every",
        ),
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
        ("data", 1, "sub-01_task-rest_bold.nii.gz: holds no time series (shape 4×4×4×1)"),
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


def test_images_that_show_nothing_are_named_with_run_and_step(new_study):
    study = new_study({"results": "results"}, input={"source": "bids", "path": "data"})
    data = study.folder / "data"
    data.mkdir()
    (data / "dataset_description.json").write_text('{"Name": "small", "BIDSVersion": "1.8.0"}')
    for label in ("still", "cut", "noise"):  # a grid too small for a brain
        image(bold_path(data, label), 40)
    still, cut = bold_path(data, "still"), bold_path(data, "cut")
    spread = nib.load(still)
    nib.save(nib.Nifti1Image(np.full(spread.shape, 7, np.float32), spread.affine, spread.header), still)
    cut.write_bytes(cut.read_bytes()[:5000])
    done = study.snakemake("--keep-going", "preprocess", check=False)
    assert done.returncode != 0
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("dca: ")]
    assert len(said) == 3, done.stdout + done.stderr
    for label, step, image_of, problem in (
        ("still", "motion", "_bold", "does not change over time"),
        ("cut", "motion", "_bold", "is truncated or damaged"),
        ("noise", "mask", "/mean", "gives an empty brain mask"),
    ):
        name = f"sub-{label}_task-motor"
        (line,) = [line for line in said if f"{name}{image_of}.nii.gz: {problem}" in line]
        assert f"preprocess/{name}.{step}.log" in line
        log = (study.results / "logs" / "preprocess" / f"{name}.{step}.log").read_text()
        assert "Traceback" in log and problem in log
    assert {path.parent.name for path in study.results.glob("preprocess/*/*.nii.gz")} <= {name}
    assert not (study.results / "preprocess" / name / "mask.nii.gz").exists()


def test_a_results_folder_that_cannot_be_made_gets_one_clear_line(new_study):
    study = new_study(results="file/results")
    (study.folder / "file").write_text("")
    done = study.snakemake("-n", check=False)
    assert done.returncode != 0 and "cannot be written" in done.stdout + done.stderr


CHECKPOINTS = "results/train/checkpoints/step-*.npz"


@pytest.mark.parametrize(
    "interruptions",
    [
        [(signal.SIGINT, "results/preprocess/*/motion.tsv"), (signal.SIGKILL, CHECKPOINTS)],
        [(signal.SIGKILL, "results/signals/*.h5"), (signal.SIGINT, CHECKPOINTS)],
    ],
)
def test_an_interrupted_study_is_finished_by_further_calls(study, new_study, interruptions):
    other = new_study()
    # The simulated input is the longest part and the same: take it over.
    shutil.copytree(study.results / "demo", other.results / "demo")
    for number, once in interruptions:
        other.interrupt(number, once)
        other.snakemake("--unlock")
    other.snakemake("--rerun-incomplete")
    assert other.files() == study.complete
    for pattern in DETERMINISTIC[1:]:
        for twin in sorted(other.results.glob(pattern)):
            path = study.results / twin.relative_to(other.results)
            assert same_content(path, twin), path
    one, two = (json.loads((s.results / "train/summary.json").read_text()) for s in (study, other))
    assert two["validation_loss"]["loss"] == pytest.approx(one["validation_loss"]["loss"], rel=0.05)


def same_content(one, two):
    if one.suffix == ".h5":
        with h5py.File(one) as a, h5py.File(two) as b:
            return all(np.array_equal(a[name][:], b[name][:]) for name in ("signals", "voxel", "mean", "std"))
    if one.name.endswith(".nii.gz"):
        import nibabel as nib

        return np.array_equal(nib.load(one).get_fdata(), nib.load(two).get_fdata())
    return one.read_text() == two.read_text()
