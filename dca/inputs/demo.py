"""Input from the embedded demo: known before its files exist, since jobs of the workflow make them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dca.inputs.candidate import Candidate
from dca.inputs.entities import parse_name
from dca.inputs.inspection import Facts
from dca.simulate import layout

FACTS = Facts(tr=layout.TR, volumes=layout.VOLUMES, events=tuple(sorted(layout.EVENTS)))


def find(config: dict[str, Any], base: Path) -> list[Candidate]:
    """List the runs of the demo, below the results folder."""
    folder = base / os.path.normpath(config["results"]) / "demo"
    return [
        Candidate(
            entities=parse_name(bold := layout.bold_path(folder, label))[0],
            bold=bold,
            events_file=layout.events_path(folder, label),
        )
        for label in layout.subject_labels(config["demo"]["subjects"])
    ]
