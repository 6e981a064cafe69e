"""What a training learns from and what it is judged by: shards checked, rows held out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dca.errors import TrainingError
from dca.signals import Shard
from dca.train.agenda import Agenda, union
from dca.train.data import RowRange

logger = logging.getLogger(__name__)

HELD_OUT = 0.1  # fraction of runs or rows, where no subjects are
VALIDATION_ROWS = 8192  # enough for a standard error of the mean loss near 1 %
TR_TOLERANCE = 0.01  # relative
_IDENTITY = ("run_id", "source_sha256", "mask_sha256", "preprocessing", "seed")
_HASHED = (*_IDENTITY, "length", "tr", "detrended", "averaged")

HeldOut = Literal["subjects", "runs", "rows", "nothing"]


@dataclass(frozen=True)
class TrainingData:
    """Rows to train and to validate on; plain enough to be pickled to other processes.

    Attributes
    ----------
    train, validation : tuple of RowRange
        Validation rows are a random sample of at most 8192 of the held-out ones.
    held_out : str
        What validation consists of: ``subjects`` (given), ``runs`` of the one subject, ``rows`` of the
        training runs, or ``nothing`` where there is but one row.
    length : int
        T, of all shards.
    tr : float
        Repetition time in seconds, of all shards.
    run_ids : tuple of str
        Runs trained on.
    preprocessing : tuple of dict
        The distinct preprocessing records of the training shards.
    hash : str
        SHA-256 over what determines the rows: sources, masks, preprocessing, seeds, ranges, targets.
    """

    train: tuple[RowRange, ...]
    validation: tuple[RowRange, ...]
    held_out: HeldOut
    length: int
    tr: float
    run_ids: tuple[str, ...]
    preprocessing: tuple[dict[str, Any], ...]
    hash: str

    @property
    def agenda(self) -> Agenda:
        """All training rows, in every epoch."""
        return Agenda(tuple(union(((own.start, own.stop),)) for own in self.train))

    @property
    def targets(self) -> bool:
        """Whether rows have targets other than themselves."""
        return self.train[0].target is not None

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return sum(own.stop - own.start for own in self.train)

    @property
    def validation_rows(self) -> int:
        """Number of validation rows."""
        return sum(own.stop - own.start for own in self.validation)

    @classmethod
    def from_shards(
        cls,
        train: Sequence[str | Path],
        validation: Sequence[str | Path] = (),
        targets: Sequence[str | Path] = (),
    ) -> TrainingData:
        """Check the shards and settle what is held out.

        Parameters
        ----------
        train, validation : sequence of path
            Shards. Without validation shards a tenth of the runs is held out if they are several of one
            subject, else the last tenth of the rows of every shard.
        targets : sequence of path
            Shards of the targets of all training and validation shards, in this order; none where a series
            is its own target.

        Raises
        ------
        TrainingError
            If there is no training shard or row, or lengths or TRs differ.
        ShardError
            If a shard cannot be read.
        """
        if not train:
            raise TrainingError("train", "there is no training run", "lower input.validation")
        paths = [Path(path) for path in (*train, *validation)]
        beside: list[Path | None] = [Path(path) for path in targets]
        beside = beside or [None] * len(paths)
        described = [_describe(path, target) for path, target in zip(paths, beside, strict=True)]
        entries, others = described[: len(train)], described[len(train) :]
        _check_alike(entries + others)
        learned, judged, held_out = _hold_out(entries, others)
        if not any(own.stop > own.start for own in learned):
            raise TrainingError("train", "the training shards have no rows", "check the masks of these runs")
        names = {own.path for own in learned}
        used = [entry for entry in entries if entry["path"] in names]
        first = entries[0]
        return cls(
            tuple(learned),
            tuple(_sample(judged)),
            held_out,
            first["length"],
            first["tr"],
            tuple(entry["run_id"] for entry in used),
            tuple(json.loads(text) for text in sorted({entry["preprocessing"] for entry in used})),
            _hash(entries, learned),
        )


def _describe(path: Path, target: Path | None) -> dict[str, Any]:
    with Shard(path) as shard:
        identity = {name: shard.attributes[name] for name in _IDENTITY}
        # Only where it is so: without, the identity of data from before stays what it was.
        identity |= {"detrended": True} if shard.detrended else {}
        identity |= {"averaged": _averaged(target)} if target else {}
        identity["preprocessing"] = json.dumps(identity["preprocessing"], sort_keys=True)
        return {
            **identity,
            "path": path,
            "target": target,
            "rows": shard.n_voxels,
            "length": shard.length,
            "tr": shard.tr,
            "subject": shard.subject,
        }


def _averaged(target: Path) -> str:
    """What the targets are the mean of."""
    with Shard(target) as shard:
        return str(shard.attributes["source_sha256"])


def _check_alike(entries: list[dict[str, Any]]) -> None:
    lengths, trs = defaultdict(list), defaultdict(list)
    for entry in entries:
        lengths[f"{entry['length']} time points"].append(entry["run_id"])
        trs[f"TR {entry['tr']:g} s"].append(entry["run_id"])
    if len(lengths) > 1:
        raise TrainingError(
            "train",
            f"runs differ in length ({_listing(lengths)})",
            "leave some out or set signals.length: crop",
        )
    values = [entry["tr"] for entry in entries]
    if max(values) > (1 + TR_TOLERANCE) * min(values):
        raise TrainingError(
            "train",
            f"runs differ in TR ({_listing(trs)})",
            "train on runs of one TR, e.g. through input.tasks",
        )


def _listing(groups: dict[str, list[str]]) -> str:
    def names(runs: list[str]) -> str:
        return ", ".join(runs[:3]) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")

    return "; ".join(f"{what}: {names(runs)}" for what, runs in groups.items())


def _hold_out(
    entries: list[dict[str, Any]], others: list[dict[str, Any]]
) -> tuple[list[RowRange], list[RowRange], HeldOut]:
    ranges = [_all_rows(entry) for entry in entries]
    if others:
        return ranges, [_all_rows(entry) for entry in others], "subjects"
    if len(entries) > 1 and len({entry["subject"] for entry in entries}) == 1:
        n = max(1, round(HELD_OUT * len(entries)))
        logger.warning("No validation subject: %d of the %d runs are held out instead.", n, len(entries))
        return ranges[:-n], ranges[-n:], "runs"
    cuts = [own.stop - max(int(own.stop > 1), round(HELD_OUT * own.stop)) for own in ranges]
    judged = [own._replace(start=cut) for own, cut in zip(ranges, cuts, strict=True)]
    learned = [own._replace(stop=cut) for own, cut in zip(ranges, cuts, strict=True)]
    if not any(own.stop > own.start for own in judged):
        logger.warning("Too few rows to hold any out: there is no validation loss.")
        return learned, [], "nothing"
    logger.warning(
        "No validation subject: the last %d %% of the rows of every run are held out instead; "
        "neighbouring voxels are alike, so this loss is optimistic.",
        round(100 * HELD_OUT),
    )
    return learned, judged, "rows"


def _all_rows(entry: dict[str, Any]) -> RowRange:
    return RowRange(entry["path"], 0, entry["rows"], entry["target"])


def _sample(judged: list[RowRange]) -> list[RowRange]:
    """At most VALIDATION_ROWS, in equal parts; rows are in random order, so the first will do."""
    quota = -(-VALIDATION_ROWS // max(1, len(judged)))
    return [own._replace(stop=min(own.stop, own.start + quota)) for own in judged]


def _hash(entries: list[dict[str, Any]], learned: list[RowRange]) -> str:
    ranges = {own.path: (own.start, own.stop) for own in learned}
    record = [
        {**{name: entry[name] for name in _HASHED if name in entry}, "range": ranges.get(entry["path"])}
        for entry in entries
    ]
    text = json.dumps(record, sort_keys=True, default=lambda value: np.asarray(value).tolist())
    return hashlib.sha256(text.encode()).hexdigest()
