"""A methods section, generated from what the stages recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dca.report.citations import Citations
from dca.report.page import environment
from dca.report.ran import what_ran
from dca.report.results import RunResults


class Methods(NamedTuple):
    """A methods section.

    Attributes
    ----------
    paragraphs : list of str
        Plain text: the page escapes it when it shows it.
    references : str
        BibTeX of all that they cite.
    """

    paragraphs: list[str]
    references: str


def write_methods(
    config: Mapping[str, Any], runs: Sequence[RunResults], provenance: Mapping[str, Any]
) -> Methods:
    """Describe what was done, as far as results files tell it.

    Parameters
    ----------
    config : mapping
        Complete settings: for what no stage records, such as runs excluded by hand.
    runs : sequence of RunResults
    provenance : mapping
        From `dca.provenance.collect`.
    """
    citations = Citations()
    text = (
        environment()
        .get_template("methods.txt")
        .render(config=config, ran=what_ran(config, runs), provenance=provenance, cite=citations.cite)
    )
    paragraphs = [" ".join(part.split()) for part in text.split("¶") if part.strip()]
    return Methods(paragraphs, citations.bibtex())
