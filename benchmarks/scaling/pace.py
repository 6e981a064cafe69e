"""Part 2: speed-up over one process, with compute emulated by sleep."""

from __future__ import annotations

import statistics
from typing import Any

from dca.train.settings import TrainSettings

from .jobs import MemoryWatch, downpour, run_paced
from .paced import gaps, rate, stages
from .rows import Results

PAUSES = [2.0, 1.0, 0.5, 0.25]
SETUPS = [(w, s, True) for s in (1, 2) for w in (1, 2, 4, 8, 13)] + [
    (2, 1, False), (8, 1, False), (13, 1, False), (13, 2, False)
]  # fmt: skip
QUICK = [(2, 1, True), (2, 2, False)]
COLUMNS = {
    "workers": "Workers; 0: mode single, the baseline",
    "servers": "Parameter servers",
    "overlap": "Whether an exchange goes on beside the next step",
    "compute_s": "Emulated compute of a step, seconds",
    "steps_per_s": "Steps per second of all workers together",
    "speedup": "steps_per_s over that of mode single",
    "staleness": "Mean staleness over all stages of the run",
}
MEMORY = {
    "workers": "Workers",
    "servers": "Parameter servers",
    "processes": "Processes of the job",
    "memory_gb": "Sum of their proportional set sizes, GB",
}


def measure(results: Results) -> None:
    """Speed-up for every pause, with the seconds from step to step as spread."""
    plan = stages([0.5, 0.25] if results.quick else PAUSES, results.quick)
    setups = QUICK if results.quick else SETUPS
    single = TrainSettings(mode="single", checkpoint_s=1e6)
    measured, alone = [], (0, 0, False)
    for workers, servers, overlap in [alone, *setups, alone]:
        settings = downpour(workers, servers, overlap=overlap) if workers else single
        periods, outcome = run_paced(plan, settings)
        counts = outcome.details.get("staleness", {"0": 1})
        mean = sum(int(age) * n for age, n in counts.items()) / sum(counts.values())
        for (pause, _), stage in zip(plan, periods, strict=True):
            what = {"workers": workers, "servers": servers, "overlap": overlap, "compute_s": pause}
            what |= {"steps_per_s": round(rate(stage), 4), "staleness": round(mean, 2)}
            measured.append(results.row(gaps(stage), **what))
            print(what, flush=True)
    results.write("scaling", [row | {"speedup": _speedup(row, measured)} for row in measured], COLUMNS)
    _measure_memory(results)


def _speedup(row: dict[str, Any], measured: list[dict[str, Any]]) -> float:
    """Over the mean of the two times that mode single was measured: at the beginning and at the end."""
    pause = row["compute_s"]
    alone = [own["steps_per_s"] for own in measured if not own["workers"] and own["compute_s"] == pause]
    return round(row["steps_per_s"] / statistics.fmean(alone), 3)


def _measure_memory(results: Results) -> None:
    rows = []
    for workers, servers in [(2, 1)] if results.quick else [(13, 2)]:
        with MemoryWatch() as watch:
            run_paced(((1.0, 4.0),), downpour(workers, servers, overlap=True))
        what = {"workers": workers, "servers": servers, "processes": watch.processes}
        rows.append(results.row([watch.peak_gb], **what, memory_gb=round(watch.peak_gb, 2)))
    results.write("memory", rows, MEMORY)
