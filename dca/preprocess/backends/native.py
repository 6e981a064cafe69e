"""What the settings ask of backend ``native``: the chain of images."""

from __future__ import annotations

from dca.preprocess import template
from dca.preprocess.backends import Backend, Settings


def steps(settings: Settings) -> list[str]:
    """Steps that make an image of the run, in order.

    Parameters
    ----------
    settings : mapping
        Section ``preprocess`` of the settings.
    """
    regresses = settings["regress"] != "none"  # takes out the drift too, and then stands in for the filter
    wanted = {
        "slicetiming": settings["slice_timing"],
        "motion": True,
        "resample": settings["registration"] != "none",
        "scale": True,
        "smooth": settings["smooth_mm"],
        "regress": regresses,
        "highpass": settings["highpass_s"] and not regresses,
    }
    return [step for step, asked in wanted.items() if asked]


def records(settings: Settings) -> list[str]:
    """Names of the records of all steps, those beside the chain of images included, in order."""
    chain = steps(settings)
    beside = {
        "mask": True,
        "bias": settings["bias_field"],
        "register": settings["registration"] != "none",
        "warp": settings["registration"] == "nonlinear",
    }
    after = chain.index("motion") + 1
    return [*chain[:after], *(step for step, asked in beside.items() if asked), *chain[after:]]


BACKEND = Backend(
    steps,
    records,
    aligned=("resample", "motion"),
    follows=frozenset({"slice_timing", "registration", "template_mm", "regress", "bias_field", "smooth_mm"}),
    space=template.SPACE,
    voxel_mm=lambda settings: int(settings["template_mm"]),
)
