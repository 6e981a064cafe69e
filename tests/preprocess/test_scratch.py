"""What a step needs on the way is in ``$TMPDIR``, a node's own disk, and gone after it."""

import subprocess
import tempfile

import pytest

from dca.preprocess.highpass import highpass
from dca.preprocess.motion import correct_motion
from dca.signals import extract

EXTRACTED = {"run_id": "sub-01", "subject": "01", "tr": 2.0, "space": None, "seed": 5, "preprocessing": {}}


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder, which nothing but the steps uses."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it is looked up but once
    return folder


@pytest.fixture
def used(scratch, monkeypatch):
    """Names of the files there whenever a program was called."""
    names, run = set(), subprocess.run

    def noted(*arguments, **settings):
        done = run(*arguments, **settings)
        names.update(path.name for path in scratch.rglob("*") if path.is_file())
        return done

    monkeypatch.setattr(subprocess, "run", noted)
    return names


def aligned(bold, out):
    correct_motion(bold, out, out.with_name("x.tsv"), out.with_name("m.nii.gz"))


def filtered(bold, out):
    highpass(bold, out, tr=2.0, highpass_s=20)


@pytest.mark.parametrize(("step", "file"), [(aligned, "reference.nii"), (filtered, "mean.nii")])
def test_scratch_of_a_step_is_in_tmpdir_and_gone_after_it(still, tmp_path, scratch, used, step, file):
    out = tmp_path / "results" / "bold.nii.gz"
    out.parent.mkdir()
    step(still, out)
    assert file in used and list(scratch.iterdir()) == []
    assert {path.name for path in out.parent.iterdir()} <= {"bold.nii.gz", "x.tsv", "x.json", "m.nii.gz"}


def test_extraction_needs_no_scratch(still, brain, tmp_path, scratch):
    scratch.rmdir()
    out = tmp_path / "results" / "run.h5"
    extract(still, brain, out, **EXTRACTED)
    assert [path.name for path in out.parent.iterdir()] == ["run.h5"]


def test_scratch_is_gone_after_a_step_that_fails(still, tmp_path, scratch, monkeypatch):
    def fail(*_, **__):
        assert len(list(scratch.iterdir())) == 1
        raise OSError("no memory")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(Exception, match="no memory"):
        correct_motion(still, tmp_path / "b.nii", tmp_path / "x.tsv", tmp_path / "m.nii")
    assert list(scratch.iterdir()) == []
