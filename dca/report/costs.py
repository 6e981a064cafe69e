"""What the jobs of a study took: Snakemake's benchmarks, summed by rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dca.report.results import Folder


@dataclass(frozen=True)
class Cost:
    """Jobs of one kind.

    Attributes
    ----------
    step : str
        Stage, and step within it.
    jobs : int
    wall_s, longest_s, cpu_s : float
        Seconds: all jobs, the longest one, CPU time of all.
    memory_mb : float
        Largest resident memory of one of them; nan where none ran long enough to be measured.
    """

    step: str
    jobs: int
    wall_s: float
    longest_s: float
    cpu_s: float
    memory_mb: float


def read_measures(folder: Folder) -> Iterator[tuple[Path, pd.Series]]:
    """Read all of Snakemake's benchmarks, in order of name.

    Yields
    ------
    Path and Series
        The file, from ``benchmarks/`` on, and its ``s``, ``max_rss`` (MB) and ``cpu_time``; nan where a
        job was too short to be measured.
    """
    root = folder.root / "benchmarks"
    for path in sorted(root.rglob("*.tsv")):
        name = path.relative_to(root)
        if path.name.startswith("."):
            continue
        table = folder.table(f"benchmarks/{name}")
        if table is not None and {"s", "max_rss", "cpu_time"} <= set(table) and len(table):
            yield name, table[["s", "max_rss", "cpu_time"]].apply(pd.to_numeric, errors="coerce").iloc[-1]


def read_costs(folder: Folder) -> list[Cost]:
    """Sum up all benchmarks but those of the report itself, in order of name."""
    measured = ((name, numbers) for name, numbers in read_measures(folder) if name.parts[0] != "report")
    rows = [{"step": _step(name), **numbers} for name, numbers in measured]
    if not rows:
        return []
    grouped = pd.DataFrame(rows).groupby("step", sort=True)
    return [
        Cost(
            str(step), len(jobs), float(jobs["s"].sum()), float(jobs["s"].max()),
            float(jobs["cpu_time"].sum()), float(jobs["max_rss"].max()),
        )
        for step, jobs in grouped
    ]  # fmt: skip


def _step(name: Path) -> str:
    """``preprocess › motion`` of ``preprocess/<run>.motion.tsv``; ``train`` of ``train.tsv``."""
    if len(name.parts) == 1:
        return name.stem
    ending = name.stem.split(".", 1)[1:]
    return " › ".join([name.parent.as_posix(), *ending])
