"""What a source of input (dataset, manifest) finds, before any image is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dca.inputs.entities import Entities


@dataclass(frozen=True)
class Candidate:
    """One image that may become a run.

    Attributes
    ----------
    entities : mapping
        BIDS keys to labels.
    bold, mask, events_file, confounds : Path or None
        Absolute paths, not yet checked.
    evs : tuple of Path
        Three-column files that a job of the workflow writes `events_file` from.
    sidecars : tuple of Path or None
        JSON files that describe `bold`, the most general first; None in a layout without such files.
    tr : float or None
        Repetition time in seconds that the manifest states.
    split : str or None
        What the manifest states.
    """

    entities: Entities
    bold: Path
    mask: Path | None = None
    events_file: Path | None = None
    confounds: Path | None = None
    evs: tuple[Path, ...] = ()
    sidecars: tuple[Path, ...] | None = ()
    tr: float | None = None
    split: str | None = None
