"""What must be known of a run before any job starts: read from headers, sidecars and tables."""

from __future__ import annotations

from dataclasses import dataclass

from dca.errors import InputError
from dca.inputs.candidate import Candidate
from dca.inputs.confounds import count_rows
from dca.inputs.events import check_events
from dca.inputs.evs import check_evs
from dca.inputs.image import compare_affines, open_bold, open_mask
from dca.inputs.remote import address
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
    bold = address(candidate.bold)
    tr, note = repetition_time(bold, image, candidate.sidecars or (), candidate.tr)
    notes = {}
    if note and candidate.sidecars is not None:
        notes["header TR"] = f"{bold}: {note}; {tr:g} s is used"
    if note := compare_affines(image):
        notes["affines"] = f"{bold}: {note}"
    volumes = image.shape[3]
    if candidate.mask:
        open_mask(candidate.mask, image)
    if candidate.confounds and (rows := count_rows(candidate.confounds)) != volumes:
        problem = f"has {rows} rows, its image {volumes} volumes"
        raise InputError(candidate.confounds, problem, "give a header and one row per volume")
    events: tuple[str, ...] = ()
    if candidate.events_file:
        if candidate.evs:
            table, note = check_evs(candidate.evs, volumes * tr)
        else:
            table, note = check_events(candidate.events_file, volumes * tr)
        events = tuple(sorted(table["trial_type"].unique()))
        if note:
            notes["events"] = f"{candidate.evs[0].parent if candidate.evs else candidate.events_file}: {note}"
    return Facts(tr, volumes, events), notes
