import json

import pytest

from dca.errors import InputError
from dca.inputs import open_bold
from dca.inputs.timing import repetition_time


@pytest.fixture
def tr_of(write_bold, tmp_path):
    """Repetition time from a header, JSON contents and a manifest's statement."""

    def repetition(header, unit, *contents, stated=None):
        bold = write_bold(tmp_path / "a.nii.gz", tr=header, unit=unit)
        sidecars = []
        for i, content in enumerate(contents):
            sidecars.append(tmp_path / f"{i}.json")
            sidecars[-1].write_text(content if isinstance(content, str) else json.dumps(content))
        return repetition_time(bold, open_bold(bold), sidecars, stated)

    return repetition


@pytest.mark.parametrize(("value", "unit"), [(0.72, "sec"), (720, "msec"), (720000, "usec")])
def test_header_in_any_unit(tr_of, value, unit):
    tr, note = tr_of(value, unit)
    assert tr == 0.72 and "no JSON gives RepetitionTime" in note
    assert tr_of(value, unit, {"RepetitionTime": 0.72}) == (0.72, None)


def test_json_wins_within_a_percent(tr_of):
    assert tr_of(2.0, "sec", {"RepetitionTime": 2.019}) == (2.019, None)


def test_the_most_specific_json_wins(tr_of):
    assert tr_of(2.0, "sec", {"RepetitionTime": 3}, {"RepetitionTime": 2}, {"EchoTime": 1}) == (2.0, None)


@pytest.mark.parametrize(
    ("value", "unit"), [(0, "sec"), (1, "sec"), (1, "unknown"), (3, "unknown"), (3, "hz")]
)
def test_untrusted_header_warns(tr_of, value, unit):
    tr, note = tr_of(value, unit, {"RepetitionTime": 2})
    assert tr == 2.0
    assert f"the header says TR {value}" in note


def test_untrusted_header_that_agrees_does_not_warn(tr_of):
    assert tr_of(1, "unknown", {"RepetitionTime": 1.0}) == (1.0, None)


@pytest.mark.parametrize(("header", "unit"), [(2.05, "sec"), (2000, "sec"), (2, "msec"), (0.002, "sec")])
def test_contradiction_is_an_error(tr_of, tmp_path, header, unit):
    with pytest.raises(InputError, match=r"a\.nii\.gz: the header says TR .* but 0\.json says TR 2 s; .*1 %"):
        tr_of(header, unit, {"RepetitionTime": 2})


@pytest.mark.parametrize(("header", "unit"), [(0, "sec"), (1, "sec"), (2, "unknown"), (1, "unknown")])
def test_missing_everywhere(tr_of, header, unit):
    with pytest.raises(InputError, match=r"a\.nii\.gz: has no repetition time .*; add RepetitionTime"):
        tr_of(header, unit, {"EchoTime": 0.03})


@pytest.mark.parametrize("value", ["2.0", None, True, [2], 0, -2, 2000, float("nan"), float("inf")])
def test_json_without_a_plausible_number(tr_of, value):
    with pytest.raises(InputError, match=r"0\.json: gives the repetition time as .* in seconds$"):
        tr_of(2, "sec", {"RepetitionTime": value})


@pytest.mark.parametrize("content", ["{", "", "{'RepetitionTime': 2}", '{"RepetitionTime": 2.}'])
def test_broken_json(tr_of, content):
    with pytest.raises(InputError, match=r"0\.json: is not valid JSON .*; mend or remove the file"):
        tr_of(2, "sec", content)


@pytest.mark.parametrize("content", ["[]", "2", "null"])
def test_json_that_is_no_object(tr_of, content):
    with pytest.raises(InputError, match=r"0\.json: is not a JSON object"):
        tr_of(2, "sec", content)


def test_manifest_wins_over_an_untrusted_header_and_contradicts_nothing(tr_of):
    assert tr_of(0, "sec", stated=2.0)[0] == 2.0
    with pytest.raises(InputError, match=r"the manifest says TR 2 s, 0\.json 3 s"):
        tr_of(0, "sec", {"RepetitionTime": 3}, stated=2.0)
    with pytest.raises(InputError, match=r"the header says TR 3 sec, but the manifest says TR 2 s"):
        tr_of(3, "sec", stated=2.0)
