"""What a measurement leaves: rows with their spread, and what the machine was doing meanwhile."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from dca.files import read_tsv, write_tsv

Key = TypeVar("Key")

COMMON = {
    "repeats": "Measurements behind the row",
    "min": "Smallest of them",
    "median": "Their median",
    "max": "Largest of them",
    "load": "Mean number of runnable processes of the machine over the last minute, when the row was made",
    "cores": "Cores of the machine",
    "processor": "Its processor",
    "revision": "Of the repository; + if files differed from it",
    "time": "When the row was made, UTC",
}


@dataclass(frozen=True)
class Results:
    """Where tables are, and how much is to be measured.

    Attributes
    ----------
    folder : Path
        Of the tables.
    quick : bool
        Only see whether it runs.
    torch : Path or None
        A Python that has PyTorch.
    pair_worlds : Path or None
        The script to compare the exchange with.
    """

    folder: Path
    quick: bool = False
    torch: Path | None = None
    pair_worlds: Path | None = None
    _machine: dict[str, Any] = field(default_factory=lambda: machine())

    def row(self, values: Sequence[float], **what: Any) -> dict[str, Any]:
        """Make a row of some measurements of the same thing; none if it was not measured."""
        spread: dict[str, float | None] = dict.fromkeys(("min", "median", "max"))
        if values:
            spread = {"min": min(values), "median": statistics.median(values), "max": max(values)}
        spread = {name: value and float(f"{value:.5g}") for name, value in spread.items()}
        now = {"load": round(os.getloadavg()[0], 2), "time": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}
        return {**what, "repeats": len(values), **spread, **self._machine, **now}

    def write(self, part: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
        """Replace the table of one part."""
        table = pd.DataFrame(list(rows), columns=[*columns, *COMMON])
        self.folder.mkdir(parents=True, exist_ok=True)
        write_tsv(self.folder / f"{part}.tsv", table, {**columns, **COMMON})
        own = [name for name in table if name not in self._machine]
        print(table[own].to_string(index=False, max_rows=40), flush=True)

    def read(self, part: str) -> pd.DataFrame:
        """Read the table of one part."""
        return read_tsv(self.folder / f"{part}.tsv")


def machine() -> dict[str, Any]:
    """Describe this machine and this revision."""

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True).stdout.strip()

    changed = "+" if git("status", "--porcelain", "--untracked-files=no", "--", "../../dca", ".") else ""
    models = [
        line.partition(": ")[2]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": models[0] if models else platform.machine(),
        "revision": git("rev-parse", "--short", "HEAD") + changed,
    }


def ratio(values: Sequence[float], reference: Sequence[float]) -> float | None:
    """Median over turns of the ratio within a turn; None if one of both was not measured."""
    if not values or not reference:
        return None
    return round(statistics.median(a / b for a, b in zip(values, reference, strict=True)), 3)


def in_turns(measures: Mapping[Key, Callable[[], float]], repeats: int) -> dict[Key, list[float]]:
    """Measure everything once, then everything again: a change of load then meets all of it."""
    found: dict[Key, list[float]] = {key: [] for key in measures}
    for turn in range(repeats):
        for key, measure in measures.items():
            found[key].append(measure())
            print(f"turn {turn + 1} of {repeats}: {key}: {found[key][-1]:.4g}", flush=True)
    return found
