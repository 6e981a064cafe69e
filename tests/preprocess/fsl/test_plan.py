from dataclasses import replace
from pathlib import Path

import pytest

from dca.config import load, merge
from dca.errors import DCAError
from dca.inputs import Run
from dca.preprocess.fsl.plan import check_plan, records, steps

DEFAULTS = load()["preprocess"]
RUN = Run("sub-01_task-x", "01", None, "x", None, "train", 2.0, 100, Path("x"), None, (), None, None, None)


def settings(**changes):
    own = {key: value for key, value in changes.items() if key in DEFAULTS["fsl"]}
    shared = {key: value for key, value in changes.items() if key not in own}
    return merge(DEFAULTS, {**shared, "fsl": own})


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
