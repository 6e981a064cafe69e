import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca.errors import ConfigError
from dca.inputs.candidate import Candidate
from dca.inputs.split import split_runs


def candidates(*entities):
    return [Candidate(dict(part.split("-") for part in each.split("_")), "x.nii.gz") for each in entities]


def subjects(number, runs=1):
    return candidates(*(f"sub-{i}_run-{r}" for i in range(number) for r in range(runs)))


@given(st.integers(2, 40), st.floats(0.001, 0.999), st.integers(0, 2**32 - 1))
def test_fraction_holds_out_whole_subjects_and_leaves_some(number, fraction, seed):
    found = subjects(number, runs=2)
    splits = split_runs(found, fraction, seed, "data")
    held_out = {c.entities["sub"] for c, split in zip(found, splits, strict=True) if split == "validation"}
    training = {c.entities["sub"] for c, split in zip(found, splits, strict=True) if split == "train"}
    assert not held_out & training
    assert len(held_out) == min(max(round(fraction * number), 1), number - 1)


def test_fraction_is_seeded_and_does_not_depend_on_order():
    found = subjects(20)
    drawn = {seed: split_runs(found, 0.25, seed, "data") for seed in range(5)}
    assert drawn[0] == split_runs(found, 0.25, 0, "data")
    assert drawn[0] == split_runs(found[::-1], 0.25, 0, "data")[::-1]
    assert len({tuple(splits) for splits in drawn.values()}) > 1


@given(st.integers(4, 60), st.integers(0, 1000))
def test_a_further_subject_moves_at_most_one_other(number, seed):
    before = split_runs(subjects(number), 0.25, seed, "data")
    after = split_runs(subjects(number + 1), 0.25, seed, "data")
    assert sum(a != b for a, b in zip(before, after[:-1], strict=True)) <= 1


@pytest.mark.parametrize("validation", [0, 0.0, []])
def test_nothing_held_out(validation):
    assert split_runs(subjects(3), validation, 0, "data") == ["train"] * 3


@pytest.mark.parametrize("labels", [["1"], ["sub-1"], [1]])
def test_list_of_subjects(labels):
    assert split_runs(subjects(3), labels, 0, "data") == ["train", "validation", "train"]


def test_unknown_label():
    with pytest.raises(
        ConfigError, match=r"input\.validation: lists 01, 9, but the subjects are 0, 1, 2; list"
    ):
        split_runs(subjects(3), ["01", "9"], 0, "data")


@pytest.mark.parametrize("number", [1, 3])
def test_list_that_leaves_no_subject(number):
    with pytest.raises(ConfigError, match=r"input\.validation: leaves no subject for training"):
        split_runs(subjects(number), [str(i) for i in range(number)], 0, "data")


def test_one_subject_holds_out_runs_and_says_so(caplog):
    with caplog.at_level(logging.INFO):
        assert sorted(split_runs(subjects(1, runs=4), 0.25, 0, "data")) == ["train"] * 3 + ["validation"]
    assert "validation holds out runs" in caplog.text


def test_echoes_and_spaces_of_a_run_stay_together():
    found = candidates(*(f"sub-1_run-{r}_space-{s}" for r in range(4) for s in "AB"))
    splits = split_runs(found, 0.25, 0, "data")
    assert splits[::2] == splits[1::2]
    assert splits.count("validation") == 2


def test_one_run_trains_and_says_that_rows_are_held_out(caplog):
    with caplog.at_level(logging.INFO):
        assert split_runs(subjects(1), 0.25, 0, "data") == ["train"]
    assert "holds out rows" in caplog.text


def test_one_run_in_two_spaces_trains():
    assert split_runs(candidates("sub-1_space-A", "sub-1_space-B"), 0.5, 0, "data") == ["train"] * 2
