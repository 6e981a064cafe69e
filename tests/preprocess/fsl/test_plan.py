from dataclasses import replace
from pathlib import Path

import pytest

from dca.config import load, merge
from dca.errors import DCAError
from dca.inputs import Run
from dca.preprocess.fsl.plan import anatomy_name, check_plan, find_t1w, records, steps

DEFAULTS = load()["preprocess"]
RUN = Run("sub-01_task-x", "01", None, "x", None, "train", 2.0, 100, Path("x"), None, (), None, None, None)


def settings(smooth_mm=0, highpass_s=100, **changes):
    return merge(DEFAULTS, {"smooth_mm": smooth_mm, "highpass_s": highpass_s, "fsl": changes})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["motion", "unbias", "scale", "highpass"]),
        ({"bias_field": False, "highpass_s": 0}, ["motion", "scale"]),
        ({"smooth_mm": 4}, ["motion", "unbias", "smooth", "scale", "highpass"]),
        ({"registration": "affine"}, ["motion", "resample", "unbias", "scale", "highpass"]),
        (
            {"gradient_coefficients": "x"},
            ["gradient", "motion", "resample", "unbias", "scale", "highpass"],
        ),
        ({"mode": "feat"}, ["feat"]),
    ],
)
def test_steps_are_those_asked_for_in_feats_order(asked, expected):
    assert steps(settings(**asked)) == expected


def test_records_are_those_of_all_steps_once():
    assert records(settings(registration="affine")) == [
        *("motion", "mask", "bias", "register", "resample", "unbias", "scale", "highpass")
    ]
    assert records(settings(bias_field=False)) == ["motion", "mask", "scale", "highpass"]
    assert records(settings(mode="feat")) == ["feat", "mask"]


@pytest.fixture
def dataset(tmp_path):
    for name in (
        "sub-01/anat/sub-01_acq-b_T1w.nii",
        "sub-01/anat/sub-01_acq-a_T1w.nii.gz",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
        "sub-02/ses-2/func/sub-02_ses-2_bold.nii.gz",
        "sub-02/ses-3/anat/sub-02_ses-3_T1w.nii.gz",
        "sub-03/func/sub-03_bold.nii.gz",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("bold", "t1w"),
    [
        ("sub-01/func/sub-01_bold.nii.gz", "sub-01_acq-a_T1w"),
        ("sub-02/ses-3/func/sub-02_ses-3_bold.nii.gz", "sub-02_ses-3_T1w"),
        ("sub-02/ses-2/func/sub-02_ses-2_bold.nii.gz", "sub-02_ses-1_T1w"),  # none in its own session
        ("sub-03/func/sub-03_bold.nii.gz", None),
        ("images/run1.nii.gz", None),
    ],
)
def test_the_t1w_image_is_that_of_the_session_else_the_subjects_first(dataset, bold, t1w):
    found = find_t1w(dataset / bold)
    assert (found and anatomy_name(found)) == t1w


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "feat", "registration": "affine"}, "neither unwarps gradients nor normalises"),
        ({"mode": "feat", "gradient_coefficients": "x"}, "neither unwarps gradients nor normalises"),
        ({"bbr": True}, "without a registration"),
        ({"gradient_coefficients": "nowhere.grad"}, "names no file: nowhere.grad"),
        ({"registration": "nonlinear"}, "no T1w image for sub-03"),
        ({"registration": "affine", "bbr": True}, "no T1w image for sub-03"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused_in_one_line(dataset, changes, message):
    run = replace(RUN, run_id="sub-03", bold=dataset / "sub-03/func/sub-03_bold.nii.gz")
    with pytest.raises(DCAError) as caught:
        check_plan(settings(**changes), [run], "my.yaml")
    assert message in str(caught.value) and str(caught.value).startswith("my.yaml: ")


def test_settings_that_can_be_followed_pass(dataset):
    run = replace(RUN, bold=dataset / "sub-01/func/sub-01_bold.nii.gz")
    check_plan(settings(registration="nonlinear", bbr=True), [run], "my.yaml")
    check_plan(settings(registration="affine"), [RUN], "my.yaml")
    check_plan(settings(mode="feat"), [RUN], "my.yaml")
