"""What must be known of a run before any job starts: read from headers, sidecars and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dca.errors import InputError
from dca.inputs.candidate import Candidate
from dca.inputs.events import check_events
from dca.inputs.image import open_bold, open_mask
from dca.inputs.timing import repetition_time


@dataclass(frozen=True)
class Facts:
    """Facts about one run.

    Attributes
    ----------
    tr : float
        Repetition time in seconds.
    volumes : int
        Number of volumes of the image.
    events : tuple of str
        Sorted safe names; empty for resting state.
    """

    tr: float
    volumes: int
    events: tuple[str, ...]


def inspect(candidate: Candidate) -> tuple[Facts, dict[str, str]]:
    """Check a run without reading its voxels.

    Returns
    -------
    facts : Facts
    notes : dict
        Kind of warning to its text.

    Raises
    ------
    ImageError, EventsError, InputError
        If a file is missing or wrong.
    """
    image = open_bold(candidate.bold)
    tr, note = repetition_time(candidate.bold, image, candidate.sidecars, candidate.tr)
    notes = {}
    if note:
        notes["header TR"] = f"{candidate.bold}: {note}; {tr:g} s is used"
    volumes = image.shape[3]
    if candidate.mask:
        open_mask(candidate.mask, image)
    if candidate.confounds:
        _check_rows(candidate.confounds, volumes)
    events: tuple[str, ...] = ()
    if candidate.events_file:
        table, note = check_events(candidate.events_file, volumes * tr)
        events = tuple(sorted(table["trial_type"].unique()))
        if note:
            notes["events"] = f"{candidate.events_file}: {note}"
    return Facts(tr, volumes, events), notes


def _check_rows(confounds: Path, volumes: int) -> None:
    """Compare rows by counting lines: a thousand tables of a megabyte each would take long to parse."""
    try:
        with open(confounds, "rb") as lines:
            rows = sum(1 for line in lines if line.strip()) - 1
    except OSError as error:
        raise InputError(confounds, f"cannot be read ({error.strerror})", "check the file") from error
    if rows != volumes:
        raise InputError(
            confounds, f"has {rows} rows, its image {volumes} volumes", "give a header and one row per volume"
        )
