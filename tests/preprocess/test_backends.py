import pytest
import yaml

from dca.config import ROOT, SCHEMA, load, merge
from dca.preprocess.backends import BACKENDS

DEFAULTS = load()["preprocess"]


def test_every_backend_of_the_settings_has_its_rules():
    section = yaml.safe_load(SCHEMA.read_text())["properties"]["preprocess"]["properties"]
    assert list(BACKENDS) == section["backend"]["enum"]
    assert all((ROOT / "rules" / f"preprocess_{name}.smk").is_file() for name in BACKENDS)


@pytest.mark.parametrize(
    ("asked", "steps", "beside"),
    [
        ({}, ["motion", "scale", "highpass"], ["mask", "bias"]),
        ({"bias_field": False, "highpass_s": 0}, ["motion", "scale"], ["mask"]),
        ({"regress": "drift", "smooth_mm": 4}, ["motion", "scale", "smooth", "regress"], ["mask", "bias"]),
        (
            {"registration": "affine", "slice_timing": True},
            ["slicetiming", "motion", "resample", "scale", "highpass"],
            ["mask", "bias", "register"],
        ),
        (
            {"registration": "nonlinear"},
            ["motion", "resample", "scale", "highpass"],
            ["mask", "bias", "register", "warp"],
        ),
    ],
)
def test_native_has_the_steps_asked_for_and_what_lies_beside_them_after_motion(asked, steps, beside):
    settings = merge(DEFAULTS, asked)
    assert BACKENDS["native"].steps(settings) == steps
    after = steps.index("motion") + 1
    assert BACKENDS["native"].records(settings) == [*steps[:after], *beside, *steps[after:]]


def test_what_a_backend_makes_last_is_among_its_records():
    for backend in BACKENDS.values():
        assert set(backend.steps(DEFAULTS)) <= set(backend.records(DEFAULTS))
