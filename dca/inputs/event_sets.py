"""Which runs share their events, and so have the same maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from dca.errors import ConfigError
from dca.inputs.entities import shortlist
from dca.inputs.events import safe_name
from dca.inputs.run import Run

EventSet = tuple[tuple[str, ...], list[str], list[str]]


def event_sets(
    runs: Sequence[Run], contrasts: Mapping[str, Mapping[str, float]], source: str
) -> list[EventSet]:
    """Group the runs that have events by the events they have.

    A contrast belongs to the runs that have all events it weighs.

    Parameters
    ----------
    runs : sequence of Run
    contrasts : mapping
        Name to weights by event, as in ``glm.contrasts``.
    source : str
        What to name in an error: the user's settings.

    Returns
    -------
    list of (events, contrasts, run ids)
        In order of first appearance.

    Raises
    ------
    ConfigError
        If a contrast's name is not fit for file names or is that of an event, all its weights are
        0, or no run has all its events.
    """
    members: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for run in runs:
        if run.events:
            members[run.events].append(run.run_id)
    for name, weights in contrasts.items():
        _check(name, weights, list(members), source)
    return [
        (events, [name for name, weights in contrasts.items() if weights.keys() <= set(events)], ids)
        for events, ids in members.items()
    ]


def _check(name: str, weights: Mapping[str, float], sets: list[tuple[str, ...]], source: str) -> None:
    known = sorted({event for events in sets for event in events})
    where = f"glm.contrasts: {name}"
    if name != safe_name(name) or not name:
        raise ConfigError(
            source, f"{where} is no name for a file", f"call it '{safe_name(name) or 'contrast'}'"
        )
    if name.casefold() in {event.casefold() for event in known}:
        raise ConfigError(source, f"{where} has the name of an event", "give the contrast another name")
    if not any(weights.values()):
        raise ConfigError(source, f"{where} has no weight other than 0", "weigh at least one event")
    unknown = [event for event in weights if event not in known]
    if unknown:
        raise ConfigError(
            source,
            f"{where} weighs {shortlist(unknown)}, but the events are {shortlist(known, 20)}",
            "use the names of events as in results/inputs.tsv",
        )
    if not any(weights.keys() <= set(events) for events in sets):
        raise ConfigError(source, f"{where} weighs events that no run has all of", "split the contrast")
