"""All pages in one folder: those that were asked for, and one line for what goes wrong."""

import errno
import os
import shutil

import pytest

from dca.errors import InputError, OutputError
from dca.report import bundle_report


@pytest.fixture
def report(tmp_path):
    """A report of two subjects, of whom `02` is no longer in the study: the parts that are."""
    folder = tmp_path / "report"
    for page in ("index", "01", "02"):
        (folder / f"{page}_files").mkdir(parents=True)
        (folder / f"{page}.html").write_text(page)
        for name in ("a.png", "b.png", ".snakemake_timestamp"):
            (folder / f"{page}_files" / name).write_text(page)
    return [folder / name for name in ("index.html", "index_files", "01.html", "01_files")]


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_the_parts_go_in_and_take_no_room(report, tmp_path):
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "old.html").touch()
    bundle_report(report, out)
    files = ("01.html", "01_files/a.png", "01_files/b.png")
    assert names(out) == [*files, *(name.replace("01", "index") for name in files)]
    assert (out / "01_files" / "a.png").samefile(report[-1] / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "report"]


def test_without_hard_links_files_are_copied(report, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    bundle_report(report, tmp_path / "bundle")
    assert (tmp_path / "bundle" / "01_files" / "a.png").read_text() == "01"


def test_a_part_that_is_missing_is_named(report, tmp_path):
    shutil.rmtree(report[0].parent)
    with pytest.raises(InputError, match=r"report/index\.html: does not exist; make the report first"):
        bundle_report(report, tmp_path / "bundle")


def test_a_full_disk_is_one_line_whatever_the_number_of_files(report, tmp_path, monkeypatch):
    def fill(source, target):
        if str(source).endswith(".png"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        shutil.copyfile(source, target)

    monkeypatch.setattr(os, "link", fill)
    monkeypatch.setattr(shutil, "copy2", fill)
    with pytest.raises(OutputError, match=r"bundle: cannot be written .*No space left") as failure:
        bundle_report(report, tmp_path / "bundle")
    assert str(failure.value).count("No space left") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]
