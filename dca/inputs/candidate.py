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
    sidecars : tuple of Path
        JSON files that describe `bold`, the most general first.
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
    sidecars: tuple[Path, ...] = ()
    tr: float | None = None
    split: str | None = None
