import json
import re

import pytest

from dca.config import ROOT
from dca.errors import ConfigError, DCAError, InputError
from dca.inputs import list_runs
from dca.inputs.manifest import ALIASES, COLUMNS


@pytest.fixture
def manifest(tmp_path, write_bold):
    """Write images a to d (TR 2 s) and a manifest with the given rows; give its path."""
    for name in "abcd":
        write_bold(tmp_path / "images" / f"{name}.nii.gz")

    def write(*rows, name="manifest.tsv"):
        path = tmp_path / name
        path.write_text("".join("\t".join(row.split("|")) + "\n" for row in rows))
        return path

    return write


def test_two_columns_are_enough(manifest, settings, tmp_path):
    path = manifest("bold|subject", "images/a.nii.gz|01", f"{tmp_path}/images/b.nii.gz|sub-02")
    runs = list_runs(settings("manifest", path), "/")
    assert [run.run_id for run in runs] == ["sub-01", "sub-02"]
    assert [run.bold for run in runs] == [tmp_path / "images" / f"{name}.nii.gz" for name in "ab"]
    assert runs[0].task is None
    assert runs[0].events == ()


def test_all_columns(manifest, settings, tmp_path, write_bold):
    (tmp_path / "e v.tsv").write_text("onset\tduration\ttrial_type\n0\t1\tx\n")
    (tmp_path / "c.tsv").write_text("trans_x\n" + "0\n" * 10)
    write_bold(tmp_path / "m.nii.gz", data=[[[1] * 5] * 4] * 3)
    path = manifest(
        "subject|session|task|run|acq|dir|echo|space|bold|mask|events_file|confounds|tr|split",
        "1|pre|t|2|q|LR|1|MNI|images/a.nii.gz|m.nii.gz|e v.tsv|c.tsv|2.01|train",
        "2|n/a|t||q|LR|1|MNI|images/b.nii.gz|n/a||n/a|2.01|validation",
    )
    one, two = list_runs(settings("manifest", path, validation=0), ".")
    assert (one.run_id, one.session, one.run, one.space) == ("sub-1_ses-pre_task-t_run-2", "pre", "2", "MNI")
    assert (one.mask, one.confounds) == (tmp_path / "m.nii.gz", tmp_path / "c.tsv")
    assert (one.events_file, one.events) == (tmp_path / "e v.tsv", ("x",))
    assert one.tr == 2.01
    assert (one.split, two.split) == ("train", "validation")
    assert (two.session, two.run, two.mask, two.events_file) == (None, None, None, None)


def test_sidecars_count_here_too(manifest, settings, tmp_path, write_bold):
    write_bold(tmp_path / "my.odd name.nii.gz", unit="unknown")
    (tmp_path / "my.odd name.json").write_text(json.dumps({"RepetitionTime": 2}))
    write_bold(tmp_path / "set" / "sub-01" / "func" / "sub-01_task-a_bold.nii.gz", unit="unknown")
    (tmp_path / "set" / "dataset_description.json").write_text("{}")
    (tmp_path / "set" / "task-a_bold.json").write_text(json.dumps({"RepetitionTime": 2}))
    path = manifest("bold|subject", "my.odd name.nii.gz|1", "set/sub-01/func/sub-01_task-a_bold.nii.gz|2")
    assert [run.tr for run in list_runs(settings("manifest", path), ".")] == [2.0, 2.0]


def test_filters_apply(manifest, settings):
    path = manifest("bold|subject|task", "images/a.nii.gz|1|x", "images/b.nii.gz|1|y")
    (run,) = list_runs(settings("manifest", path, tasks=["y"]), ".")
    assert run.task == "y"


def test_written_on_windows(manifest, settings, tmp_path):
    path = manifest("bold|subject", "images/a.nii.gz|1")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(list_runs(settings("manifest", path), ".")) == 1


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["bold|subject|colour", "images/a.nii.gz|1|red"], "has the unknown column(s) colour; use"),
        (["bold,subject", "images/a.nii.gz,1"], "has the unknown column(s) bold,subject; use tab-separated"),
        (["bold|task", "images/a.nii.gz|x"], "lacks the column(s) subject; add"),
        (["subject", "1"], "lacks the column(s) bold; add"),
        (["bold|bold|subject", "images/a.nii.gz|images/a.nii.gz|1"], "has the column bold twice"),
        (["bold|subject|events|events_file", "images/a.nii.gz|1||"], "has the column events twice"),
        (["bold|subject"], "has no rows; add"),
        ([], "is not a table"),
        (["bold|subject", "images/a.nii.gz|1|more"], "is not a table"),
        (["bold|subject", "images/a.nii.gz|1", "images/b.nii.gz|n/a"], "has no subject in line 3; fill"),
        (["bold|subject", "|1"], "has no bold in line 2; fill"),
        (["bold|subject", "images/a.nii.gz|s 1"], "has the subject 's 1' in line 2; use letters and digits"),
        (["bold|subject|task", "images/a.nii.gz|1|left-hand"], "has the task 'left-hand' in line 2"),
        (["bold|subject|tr", "images/a.nii.gz|1|2 s"], "has the tr '2 s' in line 2; give seconds"),
        (["bold|subject|tr", "images/a.nii.gz|1|2000"], "line 2: gives the repetition time as 2000.0"),
        (["bold|subject|split", "images/a.nii.gz|1|test"], "has the split 'test' in line 2; use train or"),
        (
            ["bold|subject|split", "images/a.nii.gz|1|train", "images/b.nii.gz|2|n/a"],
            "gives a split for some rows only; fill",
        ),
        (["bold|subject|split", "images/a.nii.gz|1|validation"], "has no run with split 'train'; mark"),
        (
            ["bold|subject", "images/a.nii.gz|1", "images/../images/a.nii.gz|2"],
            "images/a.nii.gz in lines 2, 3; keep one",
        ),
        (
            ["bold|subject", "images/a.nii.gz|1", "images/b.nii.gz|1"],
            "2 images have the same labels (sub-1):",
        ),
        (["bold|subject|run", "images/a.nii.gz|1|1", "images/b.nii.gz|1|1"], "(sub-1_run-1)"),
    ],
)
def test_wrong_manifests(manifest, settings, rows, problem):
    path = manifest(*rows)
    with pytest.raises(InputError) as error:
        list_runs(settings("manifest", path), ".")
    assert str(error.value).startswith(str(path))
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_runs_of_a_subject_without_labels_ask_for_a_column(manifest, settings):
    path = manifest("bold|subject", "images/a.nii.gz|1", "images/b.nii.gz|1")
    with pytest.raises(InputError, match="tell them apart by a `run` column"):
        list_runs(settings("manifest", path), ".")


@pytest.mark.parametrize("label", ["Index", "training"])
def test_no_subject_may_take_the_place_of_another_page_of_the_report(manifest, settings, label):
    path = manifest("bold|subject", f"images/a.nii.gz|{label}")
    with pytest.raises(InputError, match=f"a subject is called {label}"):
        list_runs(settings("manifest", path), "/")


def test_all_missing_files_are_listed(manifest, settings, tmp_path):
    path = manifest("bold|subject|events", "images/x.nii.gz|1|y.tsv", "images/a.nii.gz|2|y.tsv")
    with pytest.raises(InputError) as error:
        list_runs(settings("manifest", path), ".")
    assert f"names 2 file(s) that do not exist: {tmp_path}/images/x.nii.gz, {tmp_path}/y.tsv;" in str(
        error.value
    )


@pytest.mark.parametrize("given", [None, "/nowhere.tsv", "/"])
def test_path_must_be_a_file(settings, given):
    with pytest.raises(ConfigError, match=r"input\.path: .*; name the manifest"):
        list_runs(settings("manifest", given), ".")


def test_subjects_on_both_sides_of_a_stated_split_warn(manifest, settings, caplog):
    path = manifest(
        "bold|subject|run|split",
        "images/a.nii.gz|1|1|train",
        "images/b.nii.gz|1|2|validation",
        "images/c.nii.gz|2|1|train",
    )
    assert [run.split for run in list_runs(settings("manifest", path), ".")] == [
        "train",
        "validation",
        "train",
    ]
    assert "subjects on both sides of the split: 1" in caplog.text


def test_mask_and_events_are_checked(manifest, settings, tmp_path, write_bold):
    write_bold(tmp_path / "m.nii.gz", data=[[[1] * 5] * 4] * 2)
    (tmp_path / "e.tsv").write_text("onset\tduration\ttrial_type\n20\t1\tx\n")
    for column, file in (("mask", "m.nii.gz"), ("events", "e.tsv")):
        path = manifest(f"bold|subject|{column}", f"images/a.nii.gz|1|{file}")
        with pytest.raises(DCAError) as error:
            list_runs(settings("manifest", path), ".")
        assert str(error.value).startswith(str(tmp_path / file))


def test_the_page_describes_all_columns():
    page = (ROOT / "docs" / "inputs.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == {*COLUMNS, *ALIASES}
