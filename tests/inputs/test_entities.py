from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca.errors import InputError
from dca.inputs.entities import acquisition, canonical, natural, parse_name, run_ids, shortlist


def test_only_the_name_counts():
    path = Path("/data/task-rest_ses-9/sub-99/sub-01_ses-pre_task-motor_run-02_bold.nii.gz")
    assert parse_name(path) == (
        {"sub": "01", "ses": "pre", "task": "motor", "run": "02"},
        "bold",
        ".nii.gz",
    )


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_task-left-hand_bold.nii.gz",
        "sub-01_task-mo+tor_bold.nii.gz",
        "sub-01_motor_bold.nii.gz",
        "sub-_bold.nii.gz",
        "sub-01_sub-02_bold.nii.gz",
        "sub-é_bold.nii.gz",
        "sub-01__bold.nii.gz",
        "Sub-01_bold.nii.gz",
        "sub-01 _bold.nii.gz",
    ],
)
def test_names_that_are_not_bids(name):
    with pytest.raises(InputError, match=r"is not a BIDS name .*; rename the file"):
        parse_name(f"/data/{name}")


def ids(*names):
    return run_ids([parse_name(f"{name}_bold.nii.gz")[0] for name in names])


def test_run_ids_take_the_entities_that_are_needed():
    assert ids("sub-01_task-a_acq-x_space-T1w", "sub-02_task-a_acq-x") == ["sub-01_task-a", "sub-02_task-a"]
    assert ids("sub-01_task-a_dir-LR_echo-1", "sub-01_task-a_dir-RL_echo-1") == [
        "sub-01_task-a_dir-LR",
        "sub-01_task-a_dir-RL",
    ]
    assert ids("sub-01_echo-1_space-A", "sub-01_echo-2_space-A", "sub-01_echo-2_space-B") == [
        "sub-01_echo-1_space-A",
        "sub-01_echo-2_space-A",
        "sub-01_echo-2_space-B",
    ]


def test_one_without_the_entity_is_told_apart_from_one_with():
    assert ids("sub-01_task-a", "sub-01_task-a_rec-x") == ["sub-01_task-a", "sub-01_task-a_rec-x"]


def test_entities_join_in_the_order_of_bids():
    assert run_ids([{"run": "1", "task": "b", "ses": "2", "sub": "3"}]) == ["sub-3_ses-2_task-b_run-1"]


labels = st.sampled_from(["1", "2"])
entity_sets = st.lists(
    st.fixed_dictionaries(
        {"sub": labels}, optional=dict.fromkeys(("task", "acq", "dir", "echo", "space", "foo"), labels)
    ),
    min_size=1,
    max_size=6,
)


@given(entity_sets)
def test_run_ids_are_unique_where_entities_are(sets):
    composed = run_ids(sets)
    assert len(set(composed)) == len({frozenset(entities.items()) for entities in sets})


@pytest.mark.parametrize(
    ("key", "label", "expected"),
    [
        ("sub", "sub-01", "01"),
        ("sub", 1, "1"),
        ("sub", "1", "1"),
        ("run", "01", "1"),
        ("run", 1, "1"),
        ("run", "run-010", "10"),
        ("task", "task-rest", "rest"),
    ],
)
def test_canonical_labels(key, label, expected):
    assert canonical(key, label) == expected


def test_acquisition_is_the_same_for_echoes_and_spaces():
    a, b = ({"sub": "1", "run": "1", "echo": e, "space": s} for e, s in ["1A", "2B"])
    assert acquisition(a) == acquisition(b) == "sub-1_run-1"


def test_natural_order():
    names = ["sub-10", "sub-2_run-10", "sub-2_run-2", "sub-2"]
    assert sorted(names, key=natural) == ["sub-2", "sub-2_run-2", "sub-2_run-10", "sub-10"]


def test_shortlist():
    assert shortlist("abc") == "a, b, c"
    assert shortlist("abcdefg") == "a, b, c, d, e and 2 more"
