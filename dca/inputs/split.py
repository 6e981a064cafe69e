"""Which runs train the autoencoder and which are held out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from dca.errors import ConfigError, InputError
from dca.inputs.candidate import Candidate
from dca.inputs.entities import acquisition, canonical, natural, shortlist
from dca.inputs.run import SPLITS

log = logging.getLogger(__name__)

TRAIN, VALIDATION = SPLITS


def split_runs(found: Sequence[Candidate], validation: float | list, seed: int, where: str) -> list[str]:
    """Assign every run to training or validation.

    Whole subjects are held out. With one subject, whole runs are (all images of one acquisition
    together); with one run, none is, and training holds out rows. What a manifest states, stands.

    Parameters
    ----------
    found : sequence of Candidate
    validation : float or list
        Fraction of subjects, or their labels. A fraction above 0 holds out at least one and
        leaves at least one.
    seed : int
        Of the choice. A subject's rank depends on its label and the seed alone, so that adding
        subjects hardly moves others from one side to the other.
    where : str
        Name of the input, for messages.

    Returns
    -------
    list of str
        ``train`` or ``validation`` for every run, in order.

    Raises
    ------
    ConfigError
        If a label is no subject, or no subject is left for training.
    InputError
        If the manifest leaves no run for training.
    """
    if found and found[0].split is not None:
        return _stated(found, where)
    subjects = [candidate.entities["sub"] for candidate in found]
    if isinstance(validation, list):
        held_out = _listed(sorted(set(subjects), key=natural), validation)
        units = subjects
    else:
        units = subjects
        if validation and len(set(units)) == 1:
            units = [acquisition(candidate.entities) for candidate in found]
            unit = "runs" if len(set(units)) > 1 else "rows of the one run"
            log.info("one subject: validation holds out %s", unit)
        held_out = _drawn(set(units), validation, seed)
    return [VALIDATION if unit in held_out else TRAIN for unit in units]


def _drawn(units: set[str], fraction: float, seed: int) -> set[str]:
    if not fraction:
        return set()
    number = min(max(round(fraction * len(units)), 1), len(units) - 1)
    ranked = sorted(units, key=lambda unit: (hashlib.sha256(f"{seed}:{unit}".encode()).digest(), unit))
    return set(ranked[:number])


def _listed(subjects: list[str], labels: list) -> set[str]:
    held_out = {canonical("sub", label) for label in labels}
    unknown = sorted(held_out - set(subjects))
    if unknown:
        raise ConfigError(
            "input.validation",
            f"lists {shortlist(unknown)}, but the subjects are {shortlist(subjects, 20)}",
            "list labels of subjects in use, in quotes",
        )
    if held_out == set(subjects):
        raise ConfigError(
            "input.validation", "leaves no subject for training", "list fewer subjects, or give a fraction"
        )
    return held_out


def _stated(found: Sequence[Candidate], where: str) -> list[str]:
    splits = [candidate.split or TRAIN for candidate in found]
    if TRAIN not in splits:
        raise InputError(where, "has no run with split 'train'", "mark at least one run as train")
    sides: dict[str, set[str]] = {}
    for candidate, split in zip(found, splits, strict=True):
        sides.setdefault(candidate.entities["sub"], set()).add(split)
    both = sorted((subject for subject, on in sides.items() if len(on) > 1), key=natural)
    if both and len(sides) > 1:
        log.warning("%s: subjects on both sides of the split: %s", where, shortlist(both))
    return splits
