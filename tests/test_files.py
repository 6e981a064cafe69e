import os
import pickle

import numpy as np
import pandas as pd
import pytest

from dca.errors import DCAError, ImageError, InputError, OutputError
from dca.files import atomic, checksum, read_json, read_tsv, stem, write_json, write_tsv


def test_nothing_appears_under_the_final_name_before_the_end(tmp_path):
    final = tmp_path / "new" / "map.nii.gz"
    with atomic(final) as temporary:
        assert temporary.name.endswith(".nii.gz") and temporary.parent == final.parent
        temporary.write_bytes(b"half")
        assert not final.exists()
    assert final.read_bytes() == b"half"
    assert list(final.parent.iterdir()) == [final]


def test_a_failure_leaves_the_old_file_and_no_rubbish(tmp_path):
    final = tmp_path / "a.tsv"
    final.write_text("old")
    with pytest.raises(ValueError, match="on purpose"), atomic(final) as temporary:
        temporary.write_text("new")
        raise ValueError("on purpose")
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), atomic(tmp_path / "file" / "a.tsv"):
        pass


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(OutputError, match="free space"), atomic(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise OSError(28, os.strerror(28))
    assert list(tmp_path.iterdir()) == []


def test_tables_survive_the_round_trip(tmp_path):
    table = pd.DataFrame({"name": ["NA", "ü"], "value": [1.5, np.nan]})
    write_tsv(tmp_path / "t.tsv", table, {"name": "Label.", "value": "Size in mm."})
    assert "n/a" in (tmp_path / "t.tsv").read_text()
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "t.tsv"), table, check_dtype=False)
    assert read_json(tmp_path / "t.json")["value"]["Description"] == "Size in mm."


def test_an_unreadable_table_or_json_is_named(tmp_path):
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "broken.json").write_text("{")
    for read, name in ((read_tsv, "empty.tsv"), (read_tsv, "none.tsv"), (read_json, "broken.json")):
        with pytest.raises(InputError, match=name):
            read(tmp_path / name)


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_stem_and_checksum(tmp_path):
    assert stem("a/b.c_bold.nii.gz") == "b.c_bold" and stem("x.tsv") == "x"
    (tmp_path / "f").write_bytes(b"abc")
    assert checksum(tmp_path / "f").startswith("ba7816bf")


def test_errors_are_one_line_and_cross_processes():
    error = ImageError("a b.nii", "is\nbroken", "mend it")
    assert str(error) == "a b.nii: is broken; mend it"
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ImageError) and isinstance(copy, DCAError) and str(copy) == str(error)


@pytest.mark.parametrize("folder", ["/proc/results", "x" * 300])
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, folder):
    with pytest.raises(OutputError, match=r"cannot be written .* choose a folder"):
        write_json(tmp_path / folder / "a.json", {})


def test_a_missing_file_inside_the_block_is_not_taken_for_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "new" / "a.tsv"):
        (tmp_path / "input").read_bytes()


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    with atomic(tmp_path / "a.txt") as one, atomic(tmp_path / "a.txt") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
