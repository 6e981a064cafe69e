import pytest

from dca.config import ROOT, load, merge
from dca.preprocess import backends

DEFAULTS = load()["preprocess"]
NATIVE = backends.load("native")


@pytest.mark.parametrize("name", backends.names())
def test_every_backend_has_its_rules_and_records_what_it_makes(name):
    assert (ROOT / "rules" / f"preprocess_{name}.smk").is_file()
    backend = backends.load(name)
    assert set(backend.steps(DEFAULTS)) <= set(backend.records(DEFAULTS))
    assert set(backend.aligned) & set(backend.steps(DEFAULTS))


def test_every_file_of_rules_has_its_backend():
    rules = {path.stem.removeprefix("preprocess_") for path in (ROOT / "rules").glob("preprocess_*.smk")}
    assert rules == set(backends.names()) == {"native", "fsl", "none"}


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
    assert NATIVE.steps(settings) == steps
    after = steps.index("motion") + 1
    assert NATIVE.records(settings) == [*steps[:after], *beside, *steps[after:]]


def test_only_settings_with_an_effect_are_recorded():
    assert backends.recorded(DEFAULTS).keys() == DEFAULTS.keys() - {
        "limits", "exclude_over_limits", "fsl", "template_mm",
    }  # fmt: skip
    assert "template_mm" in backends.recorded(merge(DEFAULTS, {"registration": "affine"}))
    linked = backends.recorded(merge(DEFAULTS, {"backend": "none"}))
    assert not linked.keys() & {"smooth_mm", "bias_field", "regress", "registration"}


@pytest.mark.parametrize("follows", [{"registration"}, {"registraton"}])
def test_a_backend_that_does_not_hold_together_is_refused(follows):
    with pytest.raises(ValueError, match=r"name a space|unknown settings"):
        backends.Backend(lambda _: [], lambda _: [], (), frozenset(follows))
