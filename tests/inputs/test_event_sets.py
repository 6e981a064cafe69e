from pathlib import Path

import pytest

from dca.errors import ConfigError
from dca.inputs import Run, event_sets, training_length


def run(run_id, *events, volumes=10):
    return Run(
        run_id, "1", None, None, None, "train", 2.0, volumes, Path("b"), None, events, None, None, None
    )


RUNS = [run("a", "x", "y"), run("b"), run("c", "z"), run("d", "x", "y")]


def test_runs_are_grouped_by_their_events():
    assert event_sets(RUNS, {"x-y": {"x": 1, "y": -1}, "just-z": {"z": 1}}, "my.yaml") == [
        (("x", "y"), ["x-y"], ["a", "d"]),
        (("z",), ["just-z"], ["c"]),
    ]


def test_study_at_rest_has_none():
    assert event_sets([run("a")], {}, "my.yaml") == []


@pytest.mark.parametrize(
    ("contrasts", "problem"),
    [
        ({"x>y": {"x": 1}}, "is no name for a file; call it 'x-y'"),
        ({"": {"x": 1}}, "is no name for a file"),
        ({"X": {"x": 1}}, "has the name of an event"),
        ({"c": {"x": 1, "q": -1}}, "weighs q, but the events are x, y, z; use"),
        ({"c": {"x": 0, "y": 0.0}}, "has no weight other than 0"),
        ({"c": {"x": 1, "z": -1}}, "weighs events that no run has all of"),
    ],
)
def test_wrong_contrasts(contrasts, problem):
    with pytest.raises(ConfigError) as error:
        event_sets(RUNS, contrasts, "my.yaml")
    assert str(error.value).startswith("my.yaml: glm.contrasts: ")
    assert problem in str(error.value)


def test_training_length_is_the_shortest():
    assert training_length([run("a"), run("b", volumes=8)]) == 8
