"""The repetition time of an image: sidecars, manifest and header, and which of them is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from dca.errors import InputError
from dca.files import read_json

SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}  # of NIfTI's time units
TOLERANCE = 0.01  # relative; beyond it two statements contradict each other
LONGEST = 60.0  # s; beyond it the number is in other units


def repetition_time(
    bold: str | Path, image: nib.Nifti1Image, sidecars: Sequence[Path], stated: float | None = None
) -> tuple[float, str | None]:
    """Repetition time of a run in seconds.

    The manifest's or the JSON's number wins. The header's is trusted unless it is 0, 1 (what
    software writes that does not know) or has no unit of time; then it is used where nothing else
    is stated, and must agree with what is.

    Parameters
    ----------
    bold : path
        The image, for messages.
    image : Nifti1Image
        Only its header is read.
    sidecars : sequence of Path
        JSON files that describe it, the most general first; the last ``RepetitionTime`` counts.
    stated : float, optional
        What the manifest says, in seconds.

    Returns
    -------
    tr : float
        In seconds.
    note : str or None
        A warning: the header's number contradicts but is not trusted, or is all there is.

    Raises
    ------
    InputError
        If there is none, one is not a plausible number of seconds, or two contradict each other.
    """
    json_tr, source = _from_json(sidecars)
    if stated is not None and json_tr is not None and not _agree(stated, json_tr):
        raise InputError(
            bold, f"the manifest says TR {stated:g} s, {source} {json_tr:g} s", "mend the wrong one"
        )
    tr = stated if stated is not None else json_tr
    header, trusted, said = _from_header(image)
    if tr is None:
        if not trusted:
            raise InputError(
                bold,
                f"has no repetition time ({said}; no RepetitionTime in a JSON)",
                "add RepetitionTime in seconds to its JSON, or a column tr to the manifest",
            )
        return plausible(header, bold), f"no JSON gives RepetitionTime; {said}"
    if _agree(tr, header):
        return tr, None
    if trusted:
        where = "the manifest" if stated is not None else source
        raise InputError(
            bold,
            f"{said}, but {where} says TR {tr:g} s",
            "mend the wrong one (the two may differ by 1 %)",
        )
    return tr, said


def plausible(seconds: object, source: str | Path) -> float:
    """Check that a repetition time is a number of seconds.

    Raises
    ------
    InputError
        If it is not.
    """
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or not 0 < seconds <= LONGEST:  # type: ignore[arg-type, operator]
        raise InputError(
            source,
            f"gives the repetition time as {seconds!r}, which is no number of seconds above 0 and up to 60",
            "write RepetitionTime as a number in seconds",
        )
    return float(seconds)  # type: ignore[arg-type]


def _from_json(sidecars: Sequence[Path]) -> tuple[float | None, str]:
    found: tuple[float | None, str] = (None, "")
    for sidecar in sidecars:
        content = read_json(sidecar)
        if not isinstance(content, dict):
            raise InputError(sidecar, "is not a JSON object", "mend it: BIDS sidecars hold {key: value}")
        if "RepetitionTime" in content:
            found = plausible(content["RepetitionTime"], sidecar), sidecar.name
    return found


def _from_header(image: nib.Nifti1Image) -> tuple[float, bool, str]:
    """Seconds, whether to trust them, and what the header says in words."""
    unit = image.header.get_xyzt_units()[1]
    # By way of text: 0.72 is stored as float32 and would come back as 0.7200000286.
    value = float(str(np.float32(image.header.get_zooms()[3])))
    seconds = round(value * SECONDS.get(unit, 1.0), 9)
    trusted = unit in SECONDS and math.isfinite(seconds) and seconds > 0 and seconds != 1
    return seconds, trusted, f"the header says TR {value:g} {unit if unit in SECONDS else 'without unit'}"


def _agree(one: float, other: float) -> bool:
    return math.isfinite(other) and abs(one - other) <= TOLERANCE * one
