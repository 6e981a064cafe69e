import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca.errors import EventsError
from dca.glm.design import CONSTANT
from dca.inputs import read_events, safe_name
from dca.preprocess.rigid import PARAMETERS

HEADER = "onset\tduration\ttrial_type\n"


@pytest.fixture
def write(tmp_path):
    def write_events(content):
        path = tmp_path / "sub-01_events.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_events


def test_events_are_numbers_with_safe_names_in_order_of_onset(write):
    table = read_events(write(HEADER + "4.5\t0\ttongue\n-1\t2\tleft hand\n"), 20)
    assert table.to_dict("list") == {
        "onset": [-1.0, 4.5],
        "duration": [2.0, 0.0],
        "trial_type": ["left-hand", "tongue"],
    }


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEADER.encode() + b"1\t2\ta\n",
        b"onset\tduration\ttrial_type\r\n1\t2\ta\r\n\r\n",
        b'"onset"\t"duration"\t"trial_type"\n1\t2\t"a"\n',
        b" onset \tduration\ttrial_type\n 1\t2 \t a\n\t\t\n",
        b'trial_type\tresponse\tduration\tonset\na\tsaid "yes\t2\t1\n',
        b"onset\tduration\ttrial_type\t\n1\t2\ta\t\n",
    ],
    ids=["BOM", "CRLF", "quoted by R", "spaces and blank rows", "stray quote", "trailing tabs"],
)
def test_form_does_not_matter(write, content):
    assert read_events(write(content), 20).to_dict("list") == {
        "onset": [1.0],
        "duration": [2.0],
        "trial_type": ["a"],
    }


def test_numeric_trial_types_keep_their_text(write):
    assert read_events(write(HEADER + "1\t2\t01\n3\t2\t1\n"), 20)["trial_type"].tolist() == ["01", "1"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not a table"),
        (HEADER, "has no rows"),
        ("onset\tduration\n1\t2\n", "lacks the column(s) trial_type (it has onset, duration)"),
        ("onset,duration,trial_type\n1,2,a\n", "lacks the column(s) onset, duration, trial_type"),
        ("1\t2\ta\n3\t2\tb\n", "lacks the column(s)"),
        ("onset\tonset\tduration\ttrial_type\n1\t1\t2\ta\n", "has the column onset twice"),
        (HEADER + "1\t2\ta\nn/a\t2\tb\n", "has no number as onset in line 3 ('n/a')"),
        (HEADER + "nan\t2\ta\n", "has no number as onset in line 2 ('nan')"),
        (HEADER + "1\tn/a\ta\n", "has no number as duration in line 2 ('n/a')"),
        (HEADER + "1\t\ta\n", "has no number as duration in line 2"),
        (HEADER + "1\tinf\ta\n", "has no number as duration in line 2 ('inf')"),
        (HEADER + "1,5\t2\ta\n", "has no number as onset in line 2 ('1,5')"),
        (HEADER + "1\t2\ta\n3\t-0.5\ta\n", "has a negative duration in line 3 (onset 3, duration -0.5)"),
        (HEADER + "1\t2\ta\n20\t1\tb\n", "has an onset past the end of the run (20 s) in line 3"),
        (HEADER + "12000\t2000\ta\n", "has an onset past the end of the run"),
        (HEADER + "1\t2000\ta\n", "has a duration beyond the run's 20 s in line 2"),
        (HEADER + "-24.1\t2\ta\n", "has an onset earlier than -24 s in line 2"),
        (HEADER + "1\t2\tn/a\n", "names no trial_type in line 2"),
        (HEADER + "1\t2\n", "names no trial_type in line 2"),
        (HEADER + "1\t2\ta b\n3\t2\ta/b\n", "the trial types 'a b' and 'a/b' give the same file name"),
        (HEADER + "1\t2\tface\n3\t2\tFace\n", "give the same file name"),
        (HEADER + "1\t2\t***\n", "gives no name for a file"),
        (HEADER + "1\t2\t" + "a" * 101 + "\n", "gives no name for a file"),
        (HEADER + "1\t2\ta\textra\n", "not a table"),
        (HEADER.encode("utf-16"), "not a table"),
        (HEADER.encode() + b"1\t2\tgr\xfcn\n", "not a table"),
    ],
)
def test_wrong_events_are_one_line_with_file_and_remedy(write, content, problem):
    path = write(content)
    with pytest.raises(EventsError) as error:
        read_events(path, 20)
    assert str(error.value).startswith(f"{path}: ")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.remedy


def test_missing_file_is_named(tmp_path):
    with pytest.raises(EventsError, match=r"gone\.tsv: does not exist"):
        read_events(tmp_path / "gone.tsv", 20)


def test_folder_instead_of_file(tmp_path):
    with pytest.raises(EventsError, match="cannot be read"):
        read_events(tmp_path, 20)


def test_event_that_outlasts_the_run_warns(write, caplog):
    path = write(HEADER + "1\t2\ta\n15\t10\tb\n")
    with caplog.at_level(logging.WARNING):
        assert len(read_events(path, 20)) == 2
    assert f"{path}: 1 event(s) end after the run (20 s)" in caplog.text


def test_event_that_ends_with_the_run_does_not_warn(write, caplog):
    read_events(write(HEADER + "192.48\t12\ta\n"), 284 * 0.72)
    assert not caplog.records


@pytest.mark.parametrize(
    ("trial_type", "name"),
    [
        ("left-finger", "left-finger"),
        ("damier_H", "damier_H"),
        ("face; scene", "face-scene"),
        ("../etc/passwd", "etc-passwd"),
        ("{face}", "face"),
        ("Größe", "Größe"),
        ("Gro\u0308ße", "Größe"),
        ("顔", "顔"),
        ("2.5 kHz", "2-5-kHz"),
        (".", ""),
    ],
)
def test_safe_names(trial_type, name):
    assert safe_name(trial_type) == name


@given(st.text())
def test_safe_names_are_stable_and_fit_for_files(trial_type):
    name = safe_name(trial_type)
    assert safe_name(name) == name
    assert not set(name) & set("/\\;. \t\n{}\0*'\"")
    assert not name.startswith("-")


@pytest.mark.parametrize("name", [*PARAMETERS, CONSTANT, "drift_1", "drift_12"])
def test_names_of_other_columns_of_the_design_are_refused(write, name):
    with pytest.raises(EventsError, match=f"'{name}' has the name of a confound or drift .* rename it"):
        read_events(write(HEADER + f"1\t2\t{name}\n"), 20)


@pytest.mark.parametrize("name", ["constants", "trans", "drift", "rot_x2"])
def test_names_that_resemble_other_columns_are_not(write, name):
    assert read_events(write(HEADER + f"1\t2\t{name}\n"), 20)["trial_type"].tolist() == [name]
