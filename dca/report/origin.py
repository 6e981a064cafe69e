"""Where a report's results come from, as its pages say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dca import provenance
from dca.report.results import Folder

MOST = 10  # commands that a page lists
ORDER = ("command", "snakemake", "revision")


def origin_of(folder: Folder, config: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `dca.provenance.collect` says, or was `given`, with the commands that the study was run by.

    Returns
    -------
    dict
        With ``commands``: the different ones, the last one last, each with `ORDER`.
    """
    record = folder.record(provenance.COMMANDS) or {}
    started = [entry for entry in record.get("commands") or [] if isinstance(entry, Mapping)]
    last = {tuple(str(entry.get(name) or "") for name in ORDER): None for entry in reversed(started)}
    commands = [dict(zip(ORDER, entry, strict=True)) for entry in list(last)[:MOST]][::-1]
    return {**(given if given is not None else provenance.collect(config)), "commands": commands}
