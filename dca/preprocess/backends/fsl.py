"""What the settings ask of backend ``fsl``: the chain of images, and whether it can be made."""

from __future__ import annotations

from pathlib import Path

from dca.errors import ConfigError
from dca.preprocess.anatomy import require_t1w
from dca.preprocess.backends import Anatomies, Backend, Settings
from dca.preprocess.fsl import install


def steps(settings: Settings) -> list[str]:
    """Steps that make an image of the run, in order.

    Parameters
    ----------
    settings : mapping
        Section ``preprocess`` of the settings.
    """
    own = settings["fsl"]
    if own["mode"] == "feat":
        return ["feat"]
    wanted = {
        "gradient": own["gradient_coefficients"],
        "motion": True,
        "resample": resampled(settings),
        "unbias": settings["bias_field"],
        "smooth": settings["smooth_mm"],
        "scale": True,
        "highpass": settings["highpass_s"],
    }
    return [step for step, asked in wanted.items() if asked]


def records(settings: Settings) -> list[str]:
    """Names of the records of all steps, those of the transforms included, in order."""
    own = settings["fsl"]
    chain = steps(settings)
    if own["mode"] == "feat":
        return [*chain, "mask"]
    beside = [
        "mask",
        *(["bias"] if settings["bias_field"] else []),
        *(["register"] if normalised(settings) else []),
    ]
    after = chain.index("motion") + 1
    return [*chain[:after], *beside, *chain[after:]]


def resampled(settings: Settings) -> bool:
    """Whether runs are resampled from their raw volumes once all transforms are known."""
    return bool(settings["fsl"]["gradient_coefficients"]) or normalised(settings)


def normalised(settings: Settings) -> bool:
    """Whether runs end in the space of the template."""
    return settings["registration"] != "none"


def ignored(settings: Settings) -> frozenset[str]:
    """FEAT itself estimates no bias field."""
    return frozenset({"bias_field"} if settings["fsl"]["mode"] == "feat" else ())


def check_plan(settings: Settings, t1w: Anatomies, source: str) -> None:
    """Refuse settings that contradict each other or the study.

    Parameters
    ----------
    settings : mapping
        Section ``preprocess`` of the settings.
    t1w : mapping
        Subject label to its T1w image, None without.
    source : str
        What to name in an error: the user's file.

    Raises
    ------
    ConfigError
        If settings exclude each other, or the coefficient file does not exist or is of a kind that
        gradunwarp cannot read.
    InputError
        If a subject has no T1w image and the settings need one.
    """
    own = settings["fsl"]
    if own["mode"] == "feat" and (resampled(settings) or own["bbr"]):
        raise ConfigError(
            source,
            "setting `preprocess.fsl.mode` is feat, which neither unwarps gradients nor normalises",
            "use mode: steps, or registration: none, bbr: false and no gradient_coefficients",
        )
    if own["bbr"] and not normalised(settings):
        raise ConfigError(
            source, "setting `preprocess.fsl.bbr` is true without a registration", "set registration: affine"
        )
    coefficients = own["gradient_coefficients"]
    if coefficients and not Path(coefficients).is_file():
        raise ConfigError(
            source,
            f"setting `preprocess.fsl.gradient_coefficients` names no file: {coefficients}",
            "give the path of the scanner's coefficient file",
        )
    vendor = own["gradient_vendor"]
    # gradunwarp 1.2.3 reads nothing of GE's, and a .coef of Siemens' only where it is run in its folder.
    if coefficients and (vendor != "siemens" or Path(coefficients).suffix != ".grad"):
        raise ConfigError(
            source,
            f"setting `preprocess.fsl.gradient_coefficients` is {coefficients} of {vendor}, "
            "which gradunwarp cannot read",
            "it reads Siemens' .grad only: give one, or set gradient_coefficients: null",
        )
    if settings["registration"] == "nonlinear":
        require_t1w(t1w, "preprocess.registration: nonlinear", "registration: affine", source)
    if own["bbr"]:
        require_t1w(t1w, "preprocess.fsl.bbr: true", "bbr: false", source)


BACKEND = Backend(
    steps,
    records,
    aligned=("resample", "motion", "feat"),
    follows=frozenset({"registration", "bias_field", "smooth_mm"}),
    ignores=ignored,
    space=install.SPACE,
    voxel_mm=lambda _: install.VOXEL_MM,
    check=check_plan,
    check_programs=install.check,
)
