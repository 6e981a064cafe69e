import json
import logging
import shutil

import nibabel as nib
import numpy as np
import pytest

from dca.errors import ConfigError, ImageError, InputError
from dca.inputs import list_runs

PREPROC = "_space-MNI152NLin2009cAsym_desc-preproc"


def runs_of(config, base="."):
    return {run.run_id: run for run in list_runs(config, base)}


def test_a_run_has_all_that_is_known(make_dataset, settings):
    folder = make_dataset("sub-01_ses-pre_task-motor_acq-x_run-1")
    (run,) = list_runs(settings(path=folder), ".")
    stem = folder / "sub-01" / "ses-pre" / "func" / "sub-01_ses-pre_task-motor_acq-x_run-1"
    assert run.run_id == "sub-01_ses-pre_task-motor_run-1"
    assert (run.subject, run.session, run.task, run.run) == ("01", "pre", "motor", "1")
    assert (run.tr, run.volumes, run.split, run.space) == (2.0, 10, "train", None)
    assert str(run.bold) == f"{stem}_bold.nii.gz"
    assert str(run.events_file) == f"{stem}_events.tsv"
    assert run.events == ("left-hand", "tongue")
    assert run.mask is None
    assert run.confounds is None


@pytest.mark.parametrize("name", ["with space", "Größe 顔", "task-x_sub-99", "a%20b#?", "derivatives"])
def test_any_folder_will_do(make_dataset, settings, tmp_path, name):
    folder = make_dataset(folder=tmp_path / name / "ses-9_data")
    assert list(runs_of(settings(path=folder))) == ["sub-01_task-motor", "sub-02_task-motor"]


def test_paths_start_from_the_base_and_keep_links(make_dataset, settings, tmp_path):
    make_dataset("sub-01_task-motor", folder=tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (run,) = list_runs(settings(path="link"), tmp_path)
    assert run.bold.is_relative_to(tmp_path / "link")


def test_runs_are_in_natural_order(make_dataset, settings):
    folder = make_dataset("sub-10_task-a", "sub-2_task-a_run-10", "sub-2_task-a_run-9")
    assert list(runs_of(settings(path=folder))) == [
        "sub-2_task-a_run-9",
        "sub-2_task-a_run-10",
        "sub-10_task-a",
    ]


def test_no_events_file_is_resting_state(make_dataset, settings):
    (run,) = list_runs(settings(path=make_dataset("sub-01_task-rest", events=None)), ".")
    assert run.events == ()
    assert run.events_file is None


def test_sidecars_and_events_are_inherited(make_dataset, settings):
    folder = make_dataset("sub-01_task-a", "sub-01_task-b", tr=None, events=None, unit="unknown")
    (folder / "bold.json").write_text('{"RepetitionTime": 9}')
    (folder / "task-a_bold.json").write_text('{"RepetitionTime": 3}')
    (folder / "sub-01" / "sub-01_bold.json").write_text('{"RepetitionTime": 3.001}')
    (folder / "sub-01" / "func" / "sub-01_task-a_bold.json").write_text('{"RepetitionTime": 3.002}')
    (folder / "task-b_events.tsv").write_text("onset\tduration\ttrial_type\n0\t1\tb\n")
    runs = runs_of(settings(path=folder))
    assert runs["sub-01_task-a"].tr == 3.002
    assert runs["sub-01_task-b"].tr == 3.001
    assert runs["sub-01_task-a"].events == ()
    assert runs["sub-01_task-b"].events == ("b",)


def test_equally_specific_events_are_refused(make_dataset, settings):
    folder = make_dataset("sub-01_task-a_run-1", events=None)
    for name in ("task-a_events.tsv", "run-1_events.tsv"):
        (folder / name).write_text("onset\tduration\ttrial_type\n0\t1\tb\n")
    with pytest.raises(InputError, match=r"events\.tsv: and .* describe the same image; keep one"):
        list_runs(settings(path=folder), ".")


def test_header_warnings_are_one_line_for_all_runs(make_dataset, settings, caplog):
    folder = make_dataset(*(f"sub-{i}_task-a" for i in range(1, 5)), unit="unknown", tr=None)
    (folder / "bold.json").write_text('{"RepetitionTime": 3}')
    with caplog.at_level(logging.WARNING):
        assert len(list_runs(settings(path=folder), ".")) == 4
    (record,) = caplog.records
    assert "sub-1_task-a_bold.nii.gz: the header says TR" in record.getMessage()
    assert "3 s is used (so do 3 more runs)" in record.getMessage()


def test_multi_echo_and_directions_give_unique_ids(make_dataset, settings):
    folder = make_dataset(
        "sub-01_task-a_dir-LR_echo-1", "sub-01_task-a_dir-LR_echo-2", "sub-01_task-a_dir-RL_echo-1"
    )
    assert list(runs_of(settings(path=folder))) == [
        "sub-01_task-a_dir-LR_echo-1",
        "sub-01_task-a_dir-LR_echo-2",
        "sub-01_task-a_dir-RL_echo-1",
    ]


def test_a_run_whose_affines_differ_is_named(make_dataset, settings, caplog):
    folder = make_dataset()
    path = folder / "sub-02" / "func" / "sub-02_task-motor_bold.nii.gz"
    image = nib.load(path)
    image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
    moved = image.affine.copy()
    moved[0, 3] += 4
    image.set_qform(moved, 1)
    nib.save(image, path)
    with caplog.at_level(logging.WARNING):
        list_runs(settings(path=folder), ".")
    (record,) = caplog.records
    said = f"{path}: sform and qform place its voxels up to 4.0 mm apart; the sform counts"
    assert record.getMessage() == said


def test_phase_images_and_subjects_without_bold_are_left_out_aloud(make_dataset, settings, caplog):
    folder = make_dataset("sub-01_task-a_part-mag", "sub-01_task-a_part-phase", "sub-02_task-a")
    (folder / "sub-03" / "anat").mkdir(parents=True)
    assert list(runs_of(settings(path=folder))) == ["sub-01_task-a", "sub-02_task-a"]
    assert "1 phase or complex images are left out" in caplog.text
    assert "1 subject(s) without BOLD images: 03" in caplog.text


def test_other_images_are_no_runs(make_dataset, settings, write_bold):
    folder = make_dataset("sub-01_task-a")
    for name in (
        "sub-01/func/sub-01_task-a_sbref",
        "sourcedata/sub-01/func/sub-01_task-z_bold",
        ".x/sub-01_bold",
    ):
        write_bold(folder / f"{name}.nii.gz")
    assert list(runs_of(settings(path=folder))) == ["sub-01_task-a"]


def test_image_twice_is_refused(make_dataset, settings, write_bold):
    folder = make_dataset("sub-01_task-a")
    write_bold(folder / "sub-01" / "func" / "sub-01_task-a_bold.nii")
    with pytest.raises(
        InputError, match=r"2 images have the same labels \(sub-01_task-a\): .*nii.*; tell them apart"
    ):
        list_runs(settings(path=folder), ".")


def test_names_are_checked(make_dataset, settings, write_bold):
    folder = make_dataset("sub-01_task-a")
    write_bold(folder / "sub-01" / "func" / "sub-01_task-left-hand_bold.nii.gz")
    with pytest.raises(InputError, match=r"left-hand_bold\.nii\.gz: is not a BIDS name"):
        list_runs(settings(path=folder), ".")


@pytest.mark.parametrize("steps", [("sub-02", "func"), ("more", "sub-01", "func"), ()])
def test_image_outside_its_subjects_folder(make_dataset, settings, write_bold, steps):
    folder = make_dataset("sub-01_task-a")
    write_bold(folder.joinpath(*steps, "sub-01_task-b_bold.nii.gz"))
    with pytest.raises(
        InputError, match=r"sub-01_task-b_bold\.nii\.gz: lies in folder .*; name the folder that"
    ):
        list_runs(settings(path=folder), ".")


def test_no_images(settings, tmp_path):
    with pytest.raises(InputError, match=r"holds no images sub-<label>.*_bold\.nii\.gz; check input\.path"):
        list_runs(settings(path=tmp_path), ".")


def test_preprocessed_images_without_saying_so(make_dataset, settings):
    folder = make_dataset(f"sub-01_task-a{PREPROC}")
    with pytest.raises(InputError, match=r"\(1 other BOLD images, e\.g\. .*preproc.*\); check .*derivatives"):
        list_runs(settings(path=folder), ".")


@pytest.mark.parametrize("given", [{}, {"path": "/nowhere"}, {"path": __file__}])
def test_path_must_be_a_folder(settings, given):
    with pytest.raises(ConfigError, match=r"input\.path: .*; (name|check)"):
        list_runs(settings(**given), ".")


def test_dangling_link_is_named(make_dataset, settings):
    folder = make_dataset("sub-01_task-a")
    bold = folder / "sub-01" / "func" / "sub-01_task-a_bold.nii.gz"
    bold.unlink()
    bold.symlink_to("../../.git/annex/key")
    with pytest.raises(ImageError, match=r"bold\.nii\.gz: is a link to a missing file; fetch its content"):
        list_runs(settings(path=folder), ".")


def test_dangling_events_are_not_resting_state(make_dataset, settings):
    folder = make_dataset("sub-01_task-a", events=None)
    (folder / "sub-01" / "func" / "sub-01_task-a_events.tsv").symlink_to("../../.git/annex/key")
    with pytest.raises(InputError.__mro__[1], match=r"events\.tsv: does not exist"):
        list_runs(settings(path=folder), ".")


def test_runs_of_different_length(make_dataset, settings):
    folder = make_dataset("sub-01_task-a", "sub-02_task-a", "sub-03_task-a")
    make_dataset("sub-04_task-a", volumes=8)
    with pytest.raises(
        InputError,
        match=r"different lengths: 8 volumes in 1 run\(s\) \(sub-04_task-a\); 10 volumes in 3 run\(s\) "
        r"\(sub-01_task-a, sub-02_task-a, sub-03_task-a\); set signals\.length: crop",
    ):
        list_runs(settings(path=folder), ".")
    runs = list_runs(settings(path=folder, signals={"length": "crop"}), ".")
    assert [run.volumes for run in runs] == [10, 10, 10, 8]


def test_runs_of_different_tr_even_when_cropped(make_dataset, settings):
    folder = make_dataset("sub-01_task-a", "sub-02_task-a")
    make_dataset("sub-03_task-a", tr=2.01)
    with pytest.raises(
        InputError, match=r"different repetition times: 2\.01 s in 1 run\(s\) \(sub-03_task-a\); 2 s in 2"
    ):
        list_runs(settings(path=folder, signals={"length": "crop"}), ".")


def test_rounding_of_tr_is_no_difference(make_dataset, settings):
    folder = make_dataset("sub-01_task-a", tr=0.72)
    make_dataset("sub-02_task-a", tr=0.7200003)
    assert len(list_runs(settings(path=folder), ".")) == 2


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"participants": ["01"]}, 4),
        ({"participants": ["sub-01"]}, 4),
        ({"participants": [10]}, 1),
        ({"tasks": ["a"], "sessions": ["ses-pre"]}, 1),
        ({"runs": [1]}, 1),
        ({"runs": ["02"]}, 1),
        ({"participants": ["01", "10"], "tasks": ["a", "b"]}, 5),
    ],
)
def test_filters(make_dataset, settings, filters, expected):
    folder = make_dataset(
        "sub-01_ses-pre_task-a",
        "sub-01_ses-pre_task-b",
        "sub-01_task-b_run-01",
        "sub-01_task-b_run-2",
        "sub-10_task-a",
    )
    assert len(list_runs(settings(path=folder, **filters), ".")) == expected


@pytest.mark.parametrize(
    ("filters", "problem"),
    [
        ({"participants": ["3"]}, r"input\.participants: asks for '3', but the labels in .* are 01, 02; use"),
        (
            {"participants": [1]},
            r"input\.participants: asks for 1, but the labels in .* are 01, 02; .*quotes",
        ),
        ({"participants": ["01", "03"]}, r"asks for '03'"),
        ({"tasks": ["Motor"]}, r"input\.tasks: asks for 'Motor', but the labels in .* are motor"),
        ({"sessions": ["1"]}, r"input\.sessions: asks for '1', but no run of .* has a label 'ses'; remove"),
        ({"spaces": ["T1w"]}, r"input\.spaces: .* has a label 'space'"),
    ],
)
def test_filters_that_match_nothing(make_dataset, settings, filters, problem):
    with pytest.raises(ConfigError, match=problem):
        list_runs(settings(path=make_dataset(), **filters), ".")


def test_filters_that_exclude_each_other(make_dataset, settings):
    folder = make_dataset("sub-01_task-a", "sub-02_task-b")
    with pytest.raises(ConfigError, match=r"asks for '02', but none of its runs passes the other filters"):
        list_runs(settings(path=folder, participants=["01", "02"], tasks=["a"]), ".")


def test_excluded_runs_leave_the_split_of_the_others_as_it_is(make_dataset, settings, caplog):
    folder = make_dataset(*(f"sub-{n:02d}_task-{task}" for n in range(8) for task in "ab"))
    broken = folder / "sub-03" / "func" / "sub-03_task-b_bold.nii.gz"
    before = {run.run_id: run.split for run in list_runs(settings(path=folder, validation=0.5), ".")}
    broken.write_bytes(b"")  # is not even opened
    held_out = next(run_id[:6] for run_id, split in before.items() if split == "validation")
    excluded = [held_out, "sub-03_task-b"]
    runs = list_runs(settings(path=folder, validation=0.5, exclude=excluded), ".")
    gone = {f"{held_out}_task-a", f"{held_out}_task-b", "sub-03_task-b"}
    assert {run.run_id: run.split for run in runs} == {k: v for k, v in before.items() if k not in gone}
    assert f"leaves out {len(gone)} of 16 runs: {sorted(gone)[0]}" in caplog.text


@pytest.mark.parametrize(
    ("excluded", "problem"),
    [
        (
            ["sub-0"],
            r"input\.exclude: has 'sub-0', but the runs are sub-01_task-motor, sub-02_task-motor; name",
        ),
        (["sub-01", "sub-02"], r"input\.exclude: leaves no run; exclude fewer"),
        (["sub-01"], r"input\.exclude: leaves no run for training"),
    ],
)
def test_what_cannot_be_excluded(make_dataset, settings, excluded, problem):
    with pytest.raises(ConfigError, match=problem):
        list_runs(settings(path=make_dataset(), validation=["02"], exclude=excluded), ".")


@pytest.fixture
def derivatives(make_dataset, tmp_path, write_bold):
    """Write a raw dataset and what fMRIPrep makes of it; give the latter's folder."""
    make_dataset("sub-01_task-a", "sub-02_task-a", tr=2.0)
    folder = tmp_path / "data" / "derivatives" / "fmriprep"
    for subject in ("01", "02"):
        stem = folder / f"sub-{subject}" / "func" / f"sub-{subject}_task-a"
        for space in ("MNI152NLin2009cAsym", "T1w"):
            write_bold(f"{stem}_space-{space}_desc-preproc_bold.nii.gz", unit="unknown")
            write_bold(f"{stem}_space-{space}_desc-brain_mask.nii.gz", data=np.ones((3, 4, 5)))
        write_bold(f"{stem}_desc-brain_mask.nii.gz", data=np.ones((9, 9, 9)))
        with open(f"{stem}_desc-confounds_timeseries.tsv", "w") as table:
            table.write("trans_x\n" + "0.1\n" * 10)
    return folder


def test_derivatives_with_mask_confounds_and_the_raw_events(derivatives, settings, tmp_path):
    config = settings(path=tmp_path / "data", derivatives=str(derivatives), spaces=["T1w"])
    run, _ = list_runs(config, ".")
    stem = f"{derivatives}/sub-01/func/sub-01_task-a"
    assert run.run_id == "sub-01_task-a"
    assert run.space == "T1w"
    assert str(run.bold) == f"{stem}_space-T1w_desc-preproc_bold.nii.gz"
    assert str(run.mask) == f"{stem}_space-T1w_desc-brain_mask.nii.gz"
    assert str(run.confounds) == f"{stem}_desc-confounds_timeseries.tsv"
    assert run.events_file == tmp_path / "data" / "sub-01" / "func" / "sub-01_task-a_events.tsv"
    assert run.tr == 2.0


def test_derivatives_stand_alone(derivatives, settings, tmp_path, caplog):
    shutil.move(derivatives, tmp_path / "alone")
    shutil.rmtree(tmp_path / "data")
    folder = tmp_path / "alone"
    (folder / "desc-preproc_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    config = settings(derivatives=str(folder), spaces=["T1w"])
    config["preprocess"]["backend"] = "none"
    run, _ = list_runs(config, ".")
    stem = f"{folder}/sub-01/func/sub-01_task-a"
    assert str(run.mask) == f"{stem}_space-T1w_desc-brain_mask.nii.gz"
    assert str(run.confounds) == f"{stem}_desc-confounds_timeseries.tsv"
    assert (run.tr, run.events) == (2.0, ())
    assert "holds no events.tsv, so all runs count as rest; if there was a task, name the raw" in caplog.text
    assert "again" not in caplog.text
    (folder / "task-a_events.tsv").write_text("onset\tduration\ttrial_type\n0\t1\tb\n")
    caplog.clear()
    assert {run.events for run in list_runs(config, ".")} == {("b",)}
    assert caplog.text == ""


def test_preprocessing_twice_is_told(derivatives, settings, tmp_path, caplog):
    list_runs(settings(path=tmp_path / "data", derivatives=str(derivatives)), ".")
    assert "are preprocessed again by backend native" in caplog.text


def test_all_spaces_are_runs_of_their_own_on_one_side_of_the_split(derivatives, settings, tmp_path):
    runs = runs_of(settings(path=tmp_path / "data", derivatives=str(derivatives), validation=0.5))
    assert list(runs) == [
        f"sub-0{i}_task-a_space-{s}" for i in (1, 2) for s in ("MNI152NLin2009cAsym", "T1w")
    ]
    assert len({(run.subject, run.split) for run in runs.values()}) == 2


def test_the_derivatives_json_wins(derivatives, settings, tmp_path):
    (derivatives / "desc-preproc_bold.json").write_text(json.dumps({"RepetitionTime": 3.0}))
    runs = list_runs(settings(path=tmp_path / "data", derivatives=str(derivatives)), ".")
    assert {run.tr for run in runs} == {3.0}


def test_a_mask_of_another_space_is_not_taken(derivatives, settings, tmp_path):
    (derivatives / "sub-01" / "func" / "sub-01_task-a_space-T1w_desc-brain_mask.nii.gz").unlink()
    runs = list_runs(settings(path=tmp_path / "data", derivatives=str(derivatives), spaces=["T1w"]), ".")
    assert runs[0].mask is None
    assert runs[1].mask is not None


def test_confounds_of_another_length(derivatives, settings, tmp_path):
    confounds = derivatives / "sub-02" / "func" / "sub-02_task-a_desc-confounds_timeseries.tsv"
    confounds.write_text("trans_x\n0.1\n")
    with pytest.raises(InputError, match=r"timeseries\.tsv: has 1 rows, its image 10 volumes; give a header"):
        list_runs(settings(path=tmp_path / "data", derivatives=str(derivatives)), ".")


def test_derivatives_folder_above_the_pipelines(derivatives, settings, tmp_path):
    with pytest.raises(InputError, match=r"lies in folder fmriprep.*; name the folder that holds the sub-"):
        list_runs(settings(path=tmp_path / "data", derivatives=str(derivatives.parent)), ".")


def test_derivatives_without_preprocessed_images(derivatives, settings, tmp_path):
    with pytest.raises(InputError, match=r"holds no images .*_desc-preproc_bold\.nii\.gz"):
        list_runs(settings(path=tmp_path / "data", derivatives=str(tmp_path / "data")), ".")


def test_the_demo_is_known_before_it_exists(settings, tmp_path):
    runs = runs_of(settings(source="demo"), tmp_path)
    assert list(runs) == [f"sub-0{i}_task-motor" for i in range(1, 4)]
    assert sorted(run.split for run in runs.values()) == ["train"] * 2 + ["validation"]
    run = runs["sub-01_task-motor"]
    assert run.bold == tmp_path / "results" / "demo" / "sub-01" / "func" / "sub-01_task-motor_bold.nii.gz"
    assert run.events == ("cue", "left-finger", "left-toe", "right-finger", "right-toe", "tongue")
    assert (run.tr, run.volumes) == (0.72, 284)
    assert not (tmp_path / "results").exists()


@pytest.mark.real_data
def test_real_datasets(real_data, settings):
    (run,) = list_runs(settings(path=real_data / "studyforrest-visloc"), ".")
    assert (run.run_id, run.volumes, run.tr) == ("sub-02_task-oneback_run-1", 156, 2.0)
    assert run.events == ("body", "face", "house", "object", "scene", "scramble")
    (run,) = list_runs(settings(path=real_data / "pinel-localizer-rois"), ".")
    assert (run.run_id, run.volumes, run.tr) == ("sub-01_task-localizer", 128, 2.4)
    assert len(run.events) == 10
    assert {"clicGvideo", "damier_H"} <= set(run.events)
