"""BIDS entities: read from file names, checked, and joined to run ids."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dca.errors import InputError

# In the order in which BIDS joins them.
ORDER = (
    "sub",
    "ses",
    "task",
    "acq",
    "ce",
    "rec",
    "dir",
    "run",
    "echo",
    "part",
    "chunk",
    "space",
    "res",
    "den",
)
ALWAYS = ("sub", "ses", "task", "run")  # in every run id, so that ids stay when data are added
RENDERINGS = ("echo", "part", "space", "res", "den", "desc")  # differ between images of one acquisition
INDICES = ("run", "echo", "chunk")  # numbers, so that 1 and 01 are the same
KEY, LABEL = re.compile(r"[a-z]+"), re.compile(r"[A-Za-z0-9]+")

Entities = Mapping[str, str]


def parse_name(path: str | Path) -> tuple[dict[str, str], str, str]:
    """Split a BIDS file name into entities, suffix and extension.

    Only the name counts, never the folders above it: these may well be called ``run-2_data``.

    Returns
    -------
    entities : dict
        Key to label, e.g. ``{"sub": "01", "task": "motor"}``.
    suffix : str
        E.g. ``bold``.
    extension : str
        With its dot, e.g. ``.nii.gz``.

    Raises
    ------
    InputError
        If a part of the name is not ``key-label`` with a label of letters and digits.
    """
    name, dot, extension = Path(path).name.partition(".")
    *parts, suffix = name.split("_")
    entities: dict[str, str] = {}
    for part in parts:
        key, _, label = part.partition("-")
        if not (KEY.fullmatch(key) and LABEL.fullmatch(label)) or key in entities:
            raise InputError(
                path,
                f"is not a BIDS name ('{part}' is not a new key-label pair of letters and digits)",
                "rename the file as BIDS asks, e.g. sub-01_task-motor_run-1_bold.nii.gz",
            )
        entities[key] = label
    return entities, suffix, dot + extension


def canonical(key: str, label: object) -> str:
    """Label for comparison: without its prefix; an index without leading zeros.

    Other labels are text, so ``1`` is not ``01``: YAML reads an unquoted 010 as the number 8, and
    guessing would pick another subject.
    """
    text = str(label).removeprefix(f"{key}-")
    return str(int(text)) if key in INDICES and text.isdecimal() else text


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts ``run-2`` before ``run-10``."""
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"([0-9]+)", text)]


def shortlist(names: Iterable[str], most: int = 5) -> str:
    """List the first names, and say how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def join(entities: Entities, keys: Iterable[str]) -> str:
    """Join the given keys' entities as BIDS does, in the order given."""
    return "_".join(f"{key}-{entities[key]}" for key in keys if key in entities)


def acquisition(entities: Entities) -> str:
    """Name of what the scanner did: the same for all echoes and spaces of one run."""
    return join(entities, [key for key in _ordered(entities) if key not in RENDERINGS])


def run_ids(all_entities: Sequence[Entities], always: Iterable[str] = ALWAYS) -> list[str]:
    """Compose unique run ids from as few entities as it takes.

    Those named by `always` are part of an id where the data have them; others only when ids would
    collide without them. Entities that are equal in all respects give equal ids:
    the caller knows which files these are, and refuses them.
    """
    keys = set(always)
    while True:
        order = [key for key in _ordered(*all_entities) if key in keys]
        ids = [join(entities, order) for entities in all_entities]
        alike = defaultdict(list)
        for run_id, entities in zip(ids, all_entities, strict=True):
            alike[run_id].append(entities)
        needed = (
            key
            for key in _ordered(*all_entities)
            if key not in keys
            and any(len({entities.get(key) for entities in group}) > 1 for group in alike.values())
        )
        key = next(needed, None)
        if key is None:
            return ids
        keys.add(key)


def _ordered(*all_entities: Entities) -> list[str]:
    present = {key for entities in all_entities for key in entities}
    return [key for key in ORDER if key in present] + sorted(present - set(ORDER))
