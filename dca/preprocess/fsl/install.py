"""Where FSL is, which version it is, and whether what the settings need is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dca.errors import DependencyError

STANDARD = "MNI152_T1_2mm"  # in data/standard of FSL
SPACE = "MNI152NLin6Asym"  # what templateflow and BIDS call the space of that template
VOXEL_MM = 2  # ... and its voxel size
REMEDY = "install FSL 6 and set FSLDIR or PATH (fsl.fmrib.ox.ac.uk), or run snakemake with --sdm conda"
GRADUNWARP = "gradient_unwarp.py"
PROGRAMS = [  # all of FSL's that some setting calls
    *("mcflirt", "bet", "fslmaths", "fast", "susan", "fslsplit", "convertwarp", "applywarp", "fslmerge"),
    *("fslroi", "flirt", "convert_xfm", "fnirt", "epi_reg", "feat"),
]


def fsl_folder() -> Path | None:
    """Folder of the installation: FSLDIR, else that of `fslmaths` on PATH, else None."""
    named = os.environ.get("FSLDIR")
    if named:
        return Path(named)
    found = shutil.which("fslmaths")
    if not found:
        return None
    # FSL 6.0.6 and later put wrappers of their programs into share/fsl/bin.
    parts = Path(found).absolute().parent
    return parts.parents[2] if parts.parts[-3:] == ("share", "fsl", "bin") else parts.parent


def environment() -> dict[str, str]:
    """Environment variables that FSL's programs need, to be laid over this process's own."""
    folder = fsl_folder()
    path = os.environ.get("PATH", os.defpath)
    if folder:
        path = os.pathsep.join([str(folder / "share" / "fsl" / "bin"), str(folder / "bin"), path])
    variables = {
        "PATH": path,
        "FSLOUTPUTTYPE": "NIFTI_GZ",
        # Programs that could hand themselves to a cluster's queue run here: the workflow does the queueing.
        "FSLSUBALREADYRUN": "true",
        "USER": os.environ.get("USER") or str(os.getuid()),  # FSL's Tcl scripts read it
    }
    if folder:
        variables["FSLDIR"] = str(folder)
        # As FSL's own fsl.sh sets them; without, `feat` starts itself again for ever.
        for name in ("FSLTCLSH", "FSLWISH"):
            variables[name] = os.environ.get(name) or str(folder / "bin" / name.lower())
    return variables


def find(program: str) -> str | None:
    """Path of one of FSL's programs, or None."""
    return shutil.which(program, path=environment()["PATH"])


def version() -> str:
    """Version of FSL; of its packages where they were installed one by one; else ``unknown``."""
    folder = fsl_folder()
    if folder is None:
        return "unknown"
    try:
        return (folder / "etc" / "fslversion").read_text(encoding="utf-8").split()[0]
    except (OSError, IndexError):
        # <name>-<version>-<build>.json
        records = sorted(path.stem.rsplit("-", 2)[:2] for path in folder.glob("conda-meta/fsl-*.json"))
        return ", ".join(" ".join(record) for record in records) or "unknown"


def standard_image(suffix: str = "") -> Path:
    """Path of FSL's MNI template of 2 mm.

    Parameters
    ----------
    suffix : {"", "_brain"}
        With the head, or the brain alone.
    """
    return (fsl_folder() or Path("FSLDIR")) / "data" / "standard" / f"{STANDARD}{suffix}.nii.gz"


def needed(settings: Mapping[str, Any]) -> list[str]:
    """Programs that the settings call, in order.

    Parameters
    ----------
    settings : mapping
        Section ``preprocess`` of the settings.
    """
    own = settings["fsl"]
    if own["mode"] == "feat":
        return ["feat", "mcflirt", "bet", "fslmaths", *(["susan"] if settings["smooth_mm"] else [])]
    resampled = own["gradient_coefficients"] or settings["registration"] != "none"
    groups = {
        ("mcflirt", "bet", "fslmaths"): True,
        ("fast",): settings["bias_field"],
        ("susan",): settings["smooth_mm"],
        ("fslsplit", "convertwarp", "applywarp", "fslmerge"): resampled,
        (GRADUNWARP, "fslroi"): own["gradient_coefficients"],
        ("flirt", "convert_xfm"): settings["registration"] != "none",
        ("fnirt",): settings["registration"] == "nonlinear",
        ("epi_reg",): own["bbr"],
    }
    return [program for group, wanted in groups.items() if wanted for program in group]


def missing(settings: Mapping[str, Any]) -> list[str]:
    """Programs and templates that the settings need and that cannot be found."""
    absent = [program for program in needed(settings) if not find(program)]
    if settings["registration"] != "none":
        absent += map(str, missing_templates())
    return absent


def missing_templates() -> list[Path]:
    """Those of FSL's templates that registration needs and that are not there."""
    return [path for path in map(standard_image, ("", "_brain")) if not path.is_file()]


def check(settings: Mapping[str, Any]) -> None:
    """Refuse to start without what the settings need.

    Raises
    ------
    DependencyError
        With everything that is missing.
    """
    absent = missing(settings)
    if absent:
        extra = " (pip install gradunwarp)" if GRADUNWARP in absent else ""
        raise DependencyError("FSL", f"cannot find {', '.join(absent)}", REMEDY + extra)
