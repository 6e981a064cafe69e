import json
import os
from pathlib import Path

import pytest

from dca.errors import DCAError, InputError, OutputError
from dca.inputs import index, list_runs, listing, read_runs, refresh, write_runs


@pytest.fixture
def inspected(monkeypatch):
    """Names of the images that were opened since the list was last cleared."""
    names = []

    def inspect(candidate):
        names.append(candidate.bold.name)
        return original(candidate)

    original = index.inspect
    monkeypatch.setattr(index, "inspect", inspect)
    return names


def touch(path):
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


def bold(folder, subject):
    return folder / f"sub-{subject}" / "func" / f"sub-{subject}_task-motor_bold.nii.gz"


def test_the_table_comes_back_as_it_was_written(make_dataset, settings, tmp_path):
    runs = list_runs(settings(path=make_dataset(folder=tmp_path / 'Größe "a" b')), ".")
    write_runs(tmp_path / "t.tsv", runs)
    assert read_runs(tmp_path / "t.tsv") == runs
    assert (tmp_path / "t.tsv").read_text().splitlines()[0] == (
        "run_id\tsubject\tsession\ttask\trun\tsplit\ttr\tvolumes\tbold\tmask\tevents\tevents_file\tconfounds\tspace"
    )
    assert (tmp_path / "t.json").exists()


def test_labels_that_look_like_something_else_stay(make_dataset, settings, tmp_path):
    folder = make_dataset("sub-007_task-nan_run-01", "sub-NA_task-1e3_run-01", events=None)
    runs = list_runs(settings(path=folder), ".")
    write_runs(tmp_path / "t.tsv", runs)
    assert read_runs(tmp_path / "t.tsv") == runs


def test_other_tables_are_refused(tmp_path):
    (tmp_path / "t.tsv").write_text("bold\tsubject\na\t1\n")
    with pytest.raises(InputError, match=r"t\.tsv: is not a run table"):
        read_runs(tmp_path / "t.tsv")


def test_damaged_tables_are_refused(make_dataset, settings, tmp_path):
    write_runs(tmp_path / "t.tsv", list_runs(settings(path=make_dataset()), "."))
    content = (tmp_path / "t.tsv").read_text()
    (tmp_path / "t.tsv").write_text(content.replace("\t10\t", "\tten\t"))
    with pytest.raises(InputError, match=r"t\.tsv: has a damaged row .*; delete it"):
        read_runs(tmp_path / "t.tsv")


def test_unchanged_inputs_are_not_opened_again(make_dataset, settings, tmp_path, inspected):
    config = settings(path=make_dataset())
    runs = refresh(config, ".", tmp_path / "out")
    assert len(inspected) == 2
    before = (tmp_path / "out" / "inputs.tsv").stat()
    assert refresh(config, ".", tmp_path / "out") == runs == list_runs(config, ".")
    assert len(inspected) == 4  # two of them by list_runs, which remembers nothing
    assert (tmp_path / "out" / "inputs.tsv").stat() == before


def test_touched_image_is_opened_again_and_leaves_the_table(make_dataset, settings, tmp_path, inspected):
    config = settings(path=(folder := make_dataset()))
    refresh(config, ".", tmp_path / "out")
    inspected.clear()
    before = (tmp_path / "out" / "inputs.tsv").stat()
    touch(bold(folder, "02"))
    refresh(config, ".", tmp_path / "out")
    assert inspected == ["sub-02_task-motor_bold.nii.gz"]
    assert (tmp_path / "out" / "inputs.tsv").stat() == before
    inspected.clear()
    refresh(config, ".", tmp_path / "out")
    assert inspected == []


def test_added_subject_is_the_only_one_opened(make_dataset, settings, tmp_path, inspected):
    config = settings(path=make_dataset(), validation=0)
    before = refresh(config, ".", tmp_path / "out")
    inspected.clear()
    make_dataset("sub-03_task-motor")
    after = refresh(config, ".", tmp_path / "out")
    assert inspected == ["sub-03_task-motor_bold.nii.gz"]
    assert after[:2] == before
    assert read_runs(tmp_path / "out" / "inputs.tsv") == after


def test_removed_subject_goes(make_dataset, settings, tmp_path):
    config = settings(path=(folder := make_dataset()), validation=0)
    refresh(config, ".", tmp_path / "out")
    bold(folder, "01").unlink()
    assert [run.subject for run in refresh(config, ".", tmp_path / "out")] == ["02"]
    assert len(read_runs(tmp_path / "out" / "inputs.tsv")) == 1


def test_an_excluded_run_goes_and_comes_back(make_dataset, settings, tmp_path, inspected):
    folder = make_dataset()
    before = refresh(settings(path=folder, validation=0), ".", tmp_path / "out")
    inspected.clear()
    without = settings(path=folder, validation=0, exclude=["sub-01"])
    assert refresh(without, ".", tmp_path / "out") == before[1:] == read_runs(tmp_path / "out" / "inputs.tsv")
    assert refresh(without, ".", tmp_path / "out") == before[1:]
    assert inspected == []
    assert refresh(settings(path=folder, validation=0), ".", tmp_path / "out") == before


@pytest.mark.parametrize("suffix", ["bold.json", "events.tsv"])
def test_files_beside_the_image_count(make_dataset, settings, tmp_path, inspected, suffix):
    config = settings(path=(folder := make_dataset()))
    refresh(config, ".", tmp_path / "out")
    inspected.clear()
    touch(folder / "sub-01" / "func" / f"sub-01_task-motor_{suffix}")
    refresh(config, ".", tmp_path / "out")
    assert inspected == ["sub-01_task-motor_bold.nii.gz"]


def test_inherited_files_count(make_dataset, settings, tmp_path):
    config = settings(path=(folder := make_dataset(tr=None, unit="unknown")))
    (folder / "bold.json").write_text('{"RepetitionTime": 2}')
    refresh(config, ".", tmp_path / "out")
    (folder / "bold.json").write_text('{"RepetitionTime": 2.5}')
    assert {run.tr for run in refresh(config, ".", tmp_path / "out")} == {2.5}


def test_new_events_count(make_dataset, settings, tmp_path):
    config = settings(path=(folder := make_dataset(events=None)))
    assert {run.events for run in refresh(config, ".", tmp_path / "out")} == {()}
    (folder / "task-motor_events.tsv").write_text("onset\tduration\ttrial_type\n0\t1\tx\n")
    assert {run.events for run in refresh(config, ".", tmp_path / "out")} == {("x",)}


def test_settings_count_without_opening_images(make_dataset, settings, tmp_path, inspected):
    folder = make_dataset()
    refresh(settings(path=folder, validation=["01"]), ".", tmp_path / "out")
    inspected.clear()
    runs = refresh(settings(path=folder, validation=["02"]), ".", tmp_path / "out")
    assert [run.split for run in runs] == ["train", "validation"]
    assert inspected == []


def test_manifest_counts(settings, tmp_path, write_bold):
    write_bold(tmp_path / "a.nii.gz")
    write_bold(tmp_path / "b.nii.gz")
    (tmp_path / "m.tsv").write_text("bold\tsubject\na.nii.gz\t1\n")
    config = settings("manifest", tmp_path / "m.tsv")
    assert len(refresh(config, ".", tmp_path / "out")) == 1
    (tmp_path / "m.tsv").write_text("bold\tsubject\na.nii.gz\t1\nb.nii.gz\t2\n")
    assert len(refresh(config, ".", tmp_path / "out")) == 2


@pytest.mark.parametrize(
    "damage", ["delete table", "edit table", "delete listing", "break listing", "old listing"]
)
def test_damaged_records_are_mended(make_dataset, settings, tmp_path, damage):
    config = settings(path=make_dataset())
    runs = refresh(config, ".", tmp_path / "out")
    table, record = tmp_path / "out" / "inputs.tsv", tmp_path / "out" / "inputs.listing"
    good = table.read_bytes()
    what, which = damage.split()
    path = table if which == "table" else record
    if what == "delete":
        path.unlink()
    else:
        path.write_text({"edit": good.decode().replace("train", "best"), "break": "{", "old": "[1]"}[what])
    assert refresh(config, ".", tmp_path / "out") == runs
    assert table.read_bytes() == good


def test_an_error_leaves_the_table_and_is_found_again(make_dataset, settings, tmp_path):
    config = settings(path=(folder := make_dataset()))
    refresh(config, ".", tmp_path / "out")
    before = (tmp_path / "out" / "inputs.tsv").read_bytes()
    (folder / "sub-01" / "func" / "sub-01_task-motor_bold.json").write_text("{")
    for _ in range(2):
        with pytest.raises(DCAError, match=r"bold\.json: is not valid JSON"):
            refresh(config, ".", tmp_path / "out")
    assert (tmp_path / "out" / "inputs.tsv").read_bytes() == before


def test_results_that_cannot_be_written(make_dataset, settings, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        refresh(settings(path=make_dataset()), ".", tmp_path / "file" / "out")


def test_the_demo_is_listed_once(settings, tmp_path, monkeypatch):
    config = settings(source="demo")
    runs = refresh(config, tmp_path, tmp_path / "results")
    before = (tmp_path / "results" / "inputs.tsv").stat()
    Path(runs[0].bold).parent.mkdir(parents=True)
    Path(runs[0].bold).touch()
    assert refresh(config, tmp_path, tmp_path / "results") == runs
    assert (tmp_path / "results" / "inputs.tsv").stat() == before
    assert listing.VERSION == 2


def test_a_frozen_model_says_which_runs_it_was_trained_on(make_dataset, settings, tmp_path):
    folder = make_dataset("sub-01_task-motor", "sub-02_task-motor")
    config, results = settings(path=folder, validation=0.5), tmp_path / "results"
    before = {run.run_id: run.split for run in refresh(config, tmp_path, results)}
    trained = [run_id for run_id, split in before.items() if split == "train"]
    card = results / "train/model/card.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"trained_on": trained, "architecture": {"length": 10}}))
    (results / "train/summary.json").write_text("{}")
    make_dataset(*(f"sub-{n:02d}_task-motor" for n in range(3, 13)))
    grown = {run.run_id: run.split for run in refresh(config, tmp_path, results)}
    assert sum(split == "train" for split in grown.values()) == 6
    config["train"] = {**config["train"], "freeze": True}
    frozen = {run.run_id: run.split for run in refresh(config, tmp_path, results)}
    assert [run_id for run_id, split in frozen.items() if split == "train"] == trained
    (results / "train/summary.json").unlink()  # ended between the two: the training is still to be finished
    again = {run.run_id: run.split for run in refresh(config, tmp_path, results)}
    assert again == grown
    (results / "train/summary.json").write_text("{}")
    card.write_text("{}")
    with pytest.raises(
        InputError, match=r"card\.json: is not the card of a trained model; set train\.freeze"
    ):
        refresh(config, tmp_path, results)
