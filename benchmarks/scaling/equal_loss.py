"""Part 4: how long each mode takes to the same held-out loss, in seconds and in updates."""

from __future__ import annotations

import itertools
import json
import statistics
from collections import Counter
from typing import Any, NamedTuple

import pandas as pd

from dca.files import read_tsv
from dca.model import Architecture
from dca.train.autoencoding import Autoencoding
from dca.train.job import Job
from dca.train.settings import TrainSettings

from .data import simulate
from .jobs import run, scratch
from .rows import Results

ARCHITECTURE = Architecture(128, (16, 32, 32), (9, 7, 7), (2, 2), 64, 0.006, True)
BATCH, UPDATES_PER_EPOCH, EPOCHS, TARGETS = 64, 60, 12, (3, 6)
COLUMNS = {
    "mode": "Mode of training",
    "workers": "Workers, of one thread each",
    "warmup": "Whether one worker trains alone for 5 % of its steps first",
    "target": "Epochs of mode single after which its loss is the one to be reached, with the same seed",
    "reached": "Seeds that reached it within as many epochs as mode single was trained",
    "speedup": "Seconds of mode single to that loss over those of this mode, median of the seeds",
    "updates_ratio": "Updates to that loss over those of mode single, median of the seeds",
    "rows_ratio": "Rows to that loss over those of mode single, median of the seeds",
    "final_ratio": "Held-out loss after the last epoch over that of mode single, median of the seeds",
    "staleness": "Updates by staleness, all seeds together, as JSON",
}
SETUPS = [
    ("single", 1, False), ("sync", 2, False), ("downpour", 2, False), ("downpour", 2, True),
    ("downpour", 4, False), ("downpour", 4, True),
]  # fmt: skip


class Course(NamedTuple):
    """Held-out loss in the course of a training; time counts from the first step, without validations."""

    losses: list[float]
    seconds: list[float]
    updates: list[float]
    rows: list[float]
    staleness: dict[str, int]

    def at(self, target: float) -> tuple[float, float, float] | None:
        """Seconds, updates and rows at which the loss reached a target, between validations by proportion."""
        for i, (before, after) in enumerate(itertools.pairwise(self.losses)):
            if after <= target:
                part = 0.0 if before <= target else (before - target) / (before - after)
                paths = (self.seconds, self.updates, self.rows)
                return tuple(path[i] + part * (path[i + 1] - path[i]) for path in paths)  # type: ignore[return-value]
        return None


def measure(results: Results) -> None:
    """Seconds to equal loss."""
    seeds, epochs = (1, 3) if results.quick else (3, EPOCHS)
    targets = (1, 2) if results.quick else TARGETS
    setups = SETUPS[:3] if results.quick else SETUPS
    courses: dict[tuple[str, int, bool], list[Course]] = {setup: [] for setup in setups}
    for seed, setup in itertools.product(range(seeds), setups):
        course = train(*setup, epochs, seed)
        courses[setup].append(course)
        print(
            seed, setup, [round(loss, 2) for loss in course.losses], round(course.seconds[-1], 1), flush=True
        )
    base = courses["single", 1, False]
    rows = [_row(results, setup, own, base, epoch) for epoch in targets for setup, own in courses.items()]
    results.write("equal-loss", rows, COLUMNS)


def train(mode: str, workers: int, warmup: bool, epochs: int, seed: int) -> Course:
    """Train once."""
    settings = TrainSettings(
        mode=mode, workers=workers, epochs=epochs, batch_size=BATCH, checkpoint_s=1e6,  # type: ignore[arg-type]
        warmup_steps="auto" if warmup else 0,
    )  # fmt: skip
    with scratch() as folder:
        data = simulate(folder, BATCH * UPDATES_PER_EPOCH, 1024, ARCHITECTURE.length, seed)
        job = Job(
            Autoencoding(data, ARCHITECTURE),
            folder / "job",
            settings,
            settings.resolve(data.rows),
            seed,
            workers,
        )
        outcome = run(job)
        history, timeline = (read_tsv(job.folder / f"{name}.tsv") for name in ("history", "timeline"))
    return follow(
        history, timeline, in_step=mode != "downpour", staleness=outcome.details.get("staleness", {})
    )


def follow(history: pd.DataFrame, timeline: pd.DataFrame, in_step: bool, staleness: dict[str, int]) -> Course:
    """Make the course from a training's tables.

    In modes that go in step everybody waits for a validation, so its time is left out; in `downpour`
    nobody does.
    """
    begin = timeline[timeline["phase"] == "compute"]["start_s"].min()
    rows = history[history["split"] == "validation"].sort_values("step")
    pauses = timeline[timeline["phase"] == "validate"]
    # The loss is that of the updates before it; a validation beside the training ends later than they.
    seconds = []
    for row in rows.itertuples():
        own = history[(history["split"] == "train") & (history["step"] <= row.step)]
        reached = own["time_s"].max() if len(own) else begin
        waited = pauses[(pauses["start_s"] >= begin) & (pauses["end_s"] <= reached)]
        lost = (waited["end_s"] - waited["start_s"]).sum() if in_step else 0.0
        seconds.append(max(0.0, reached - begin - lost))
    return Course(
        rows["loss"].tolist(), seconds, rows["step"].tolist(), rows["samples"].tolist(), dict(staleness)
    )


def _row(
    results: Results, setup: tuple[str, int, bool], courses: list[Course], base: list[Course], epoch: int
) -> dict[str, Any]:
    targets = [single.losses[epoch] for single in base]
    pairs = [
        (own.at(target), single.at(target))
        for own, single, target in zip(courses, base, targets, strict=True)
    ]
    reached = [(own, single) for own, single in pairs if own is not None and single is not None]
    ratios = [_median([own[i] / single[i] for own, single in reached]) for i in range(3)]
    final = [own.losses[-1] / single.losses[-1] for own, single in zip(courses, base, strict=True)]
    ages = sum((Counter(course.staleness) for course in courses), Counter[str]())
    mode, workers, warmup = setup
    return results.row(
        [own[0] for own, _ in reached],
        mode=mode, workers=workers, warmup=warmup, target=epoch,
        reached=f"{len(reached)} of {len(courses)}",
        speedup=ratios[0] and round(1 / ratios[0], 3), updates_ratio=ratios[1], rows_ratio=ratios[2],
        final_ratio=_median(final),
        staleness=json.dumps(dict(sorted(ages.items(), key=lambda age: int(age[0])))),
    )  # fmt: skip


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None
