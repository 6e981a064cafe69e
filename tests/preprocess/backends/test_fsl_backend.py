from pathlib import Path

import pytest

from dca.config import load, merge
from dca.errors import DCAError
from dca.preprocess.backends import recorded
from dca.preprocess.backends.fsl import check_plan, records, steps

DEFAULTS = load()["preprocess"]
T1W = {"01": Path("sub-01_T1w.nii.gz")}


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


def test_a_bias_field_that_feat_does_not_estimate_is_not_recorded():
    assert "bias_field" in recorded(settings(backend="fsl"))
    alone = recorded(settings(backend="fsl", mode="feat"))
    assert "bias_field" not in alone and {"smooth_mm", "highpass_s", "fsl"} <= set(alone)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "feat", "registration": "affine"}, "neither unwarps gradients nor normalises"),
        ({"mode": "feat", "gradient_coefficients": "x"}, "neither unwarps gradients nor normalises"),
        ({"bbr": True}, "without a registration"),
        ({"gradient_coefficients": "nowhere.grad"}, "names no file: nowhere.grad"),
        (
            {"gradient_coefficients": "here.coef"},
            "here.coef of siemens, which gradunwarp cannot read; it reads",
        ),
        (
            {"gradient_coefficients": "here.grad", "gradient_vendor": "ge"},
            "here.grad of ge, which gradunwarp",
        ),
        ({"registration": "nonlinear"}, "registration: nonlinear needs a T1w image of every subject, and"),
        ({"registration": "affine", "bbr": True}, "there is none of 03; add"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused_in_one_line(changes, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("here.coef", "here.grad"):
        Path(name).touch()
    with pytest.raises(DCAError) as caught:
        check_plan(settings(**changes), T1W | {"03": None}, "my.yaml")
    line = str(caught.value)
    assert message in line and line.startswith("my.yaml: ") and "\n" not in line


def test_settings_that_can_be_followed_pass(tmp_path):
    coefficients = tmp_path / "coeff.grad"
    coefficients.touch()
    check_plan(settings(gradient_coefficients=str(coefficients)), {"01": None}, "my.yaml")
    check_plan(settings(registration="nonlinear", bbr=True), T1W, "my.yaml")
    check_plan(settings(registration="affine"), {"01": None}, "my.yaml")
    check_plan(settings(mode="feat"), {"01": None}, "my.yaml")
