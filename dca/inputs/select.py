"""The filters of the settings: participants, sessions, tasks, runs, spaces; and what they exclude."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from dca.errors import ConfigError
from dca.inputs.candidate import Candidate
from dca.inputs.entities import canonical, natural, shortlist

log = logging.getLogger(__name__)

FILTERS = {"participants": "sub", "sessions": "ses", "tasks": "task", "runs": "run", "spaces": "space"}


def select(found: Sequence[Candidate], config: dict[str, Any], where: str) -> list[Candidate]:
    """Keep the runs that pass all filters.

    Labels are compared as text, with or without their prefix (``sub-01`` is ``01``, but ``1`` is
    not); run labels as numbers.

    Parameters
    ----------
    found : sequence of Candidate
    config : dict
        All settings.
    where : str
        Name of the input, for messages.

    Raises
    ------
    ConfigError
        If a label of a filter matches no run: nothing asked for is silently missing.
    """
    wanted = {
        setting: {canonical(key, label): label for label in config["input"][setting]}
        for setting, key in FILTERS.items()
        if config["input"][setting] is not None
    }
    kept = [c for c in found if all(_label(c, setting) in labels for setting, labels in wanted.items())]
    for setting, labels in wanted.items():
        missing = set(labels) - {_label(c, setting) for c in kept}
        if missing:
            label = labels[min(missing, key=natural)]
            raise ConfigError(f"input.{setting}", *_explain(found, setting, label, where))
    return kept


def exclude(run_ids: Collection[str], config: dict[str, Any]) -> list[str]:
    """Leave out the runs that ``input.exclude`` names, and say which.

    An entry is a run's id, or its beginning up to a whole label: ``sub-01`` is all of a subject.

    Parameters
    ----------
    run_ids : collection of str
    config : dict
        All settings.

    Returns
    -------
    list of str
        The others, in their order.

    Raises
    ------
    ConfigError
        If an entry names no run, or no run is left.
    """
    left_out: set[str] = set()
    for entry in config["input"]["exclude"]:
        named = {run_id for run_id in run_ids if f"{run_id}_".startswith(f"{entry}_")}
        if not named:
            raise ConfigError(
                "input.exclude",
                f"has {entry!r}, but the runs are {shortlist(run_ids)}",
                "name a run so, or a subject as its beginning (sub-01)",
            )
        left_out |= named
    if left_out:
        log.warning(
            "input.exclude leaves out %d of %d runs: %s",
            len(left_out), len(run_ids), shortlist(sorted(left_out, key=natural)),
        )  # fmt: skip
    kept = [run_id for run_id in run_ids if run_id not in left_out]
    if not kept:
        raise ConfigError("input.exclude", "leaves no run", "exclude fewer")
    return kept


def _label(candidate: Candidate, setting: str) -> str | None:
    key = FILTERS[setting]
    label = candidate.entities.get(key)
    return None if label is None else canonical(key, label)


def _explain(found: Sequence[Candidate], setting: str, label: object, where: str) -> tuple[str, str]:
    key = FILTERS[setting]
    available = sorted({c.entities[key] for c in found if key in c.entities}, key=natural)
    if not available:
        return f"asks for {label!r}, but no run of {where} has a label '{key}'", "remove this filter"
    if canonical(key, label) in {canonical(key, other) for other in available}:
        return (
            f"asks for {label!r}, but none of its runs passes the other filters",
            "widen the filters of input",
        )
    return (
        f"asks for {label!r}, but the labels in {where} are {shortlist(available, 20)}",
        "use one of these, in quotes",
    )
