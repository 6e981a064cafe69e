"""The anatomical image of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from dca.errors import InputError
from dca.files import stem
from dca.inputs.entities import natural, shortlist

logger = logging.getLogger(__name__)


def find_t1w(bold: str | Path) -> Path | None:
    """T1w image of a run in a BIDS dataset: of its session first, else the subject's first; None without.

    A link to a file that was not fetched counts as none, with a warning.

    Parameters
    ----------
    bold : path
        ``sub-<label>/[ses-<label>/]func/…_bold.nii.gz``.
    """
    own = Path(bold).parent.parent
    subject = own.parent if own.name.startswith("ses-") else own
    if not subject.name.startswith("sub-"):
        return None
    for pattern, folder in (("anat", own), ("anat", subject), ("ses-*/anat", subject)):
        found = sorted(
            path for ending in ("nii", "nii.gz") for path in folder.glob(f"{pattern}/*_T1w.{ending}")
        )
        there = [path for path in found if path.exists()]
        for path in found:
            if path not in there:
                logger.warning("%s is a link to a missing file and is not used", path)
        if there:
            return there[0]
    return None


def anatomy_name(t1w: str | Path) -> str:
    """Name of a T1w image in the results: its BIDS name without the suffix."""
    return stem(t1w)


def require_t1w(
    found: Mapping[str, Path | None], setting: str, remedy: str, source: str | Path = "config"
) -> None:
    """Refuse a setting that needs a T1w image which somebody lacks.

    Parameters
    ----------
    found : mapping
        Subject label to what `find_t1w` found.
    setting : str
        Name and value of the setting, as in ``preprocess.regress: motion24_tissue``.
    remedy : str
        What to set instead.
    source : path
        What to name in an error: the user's file.

    Raises
    ------
    InputError
        If there is none for some subject; it names them.
    """
    bare = sorted((subject for subject, t1w in found.items() if t1w is None), key=natural)
    if bare:
        raise InputError(
            source,
            f"{setting} needs a T1w image of every subject, and there is none of {shortlist(bare, 20)}",
            f"add sub-<label>/[ses-<label>/]anat/*_T1w.nii.gz beside their runs, or set {remedy}",
        )
