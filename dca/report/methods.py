"""A methods section, generated from the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dca.preprocess import backends
from dca.report.page import environment
from dca.report.results import RunResults


def methods_text(
    config: Mapping[str, Any], runs: Sequence[RunResults], provenance: Mapping[str, Any]
) -> list[str]:
    """Describe what was done, exactly as set, in paragraphs of plain text.

    Parameters
    ----------
    config : mapping
        Complete settings.
    runs : sequence of RunResults
    provenance : mapping
        From `dca.provenance.collect`.
    """
    # Plain text: the page escapes it when it shows it.
    text = _render("methods.txt", config, runs, provenance)
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


def references(config: Mapping[str, Any], runs: Sequence[RunResults], provenance: Mapping[str, Any]) -> str:
    """BibTeX of what the methods rest on, as they were set; parameters as `methods_text`."""
    return _render("references.txt", config, runs, provenance)


def _render(
    template: str, config: Mapping[str, Any], runs: Sequence[RunResults], provenance: Mapping[str, Any]
) -> str:
    facts = {
        "subjects": len({run.subject for run in runs}),
        "held_out": len({run.subject for run in runs if run.run.get("split") == "validation"}),
        "runs": len(runs),
        "task_runs": sum(bool(run.events) for run in runs),
        "trs": sorted({float(run.run["tr"]) for run in runs}),
        "volumes": sorted({int(run.run["volumes"]) for run in runs}),
    }
    backend = backends.load(config["preprocess"]["backend"])
    return (
        environment()
        .get_template(template)
        .render(config=config, facts=facts, provenance=provenance, backend=backend)
    )
