"""Charts of a training: loss, pace, staleness, what each process did when, and how speed scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from dca.report.paper import PAPER_SPEEDUP, PAPER_WORKERS
from dca.report.picture import (
    BLUE,
    GREY,
    LOST,
    PHASES,
    SPARE,
    VERMILION,
    Picture,
    styled,
    to_picture,
)

MAX_SPANS = 4000
HIGH, LOW = 0.72, 0.36  # of bars in a row of the timeline
SUPERVISOR = "supervisor"
PACE_BINS = 40
_MARKERS = ("o", "s", "^", "D")
_SHADES = ("#9ecae9", "#4a98c9", BLUE, "#003a5c")


@styled
def draw_losses(history: pd.DataFrame, alt: str) -> Picture:
    """Draw training and validation loss against steps and against time."""
    figure = Figure(figsize=(8.2, 3.0), layout="constrained")
    for axes, column, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("step", "time_s"),
        ("Server updates (steps)", "Time (s)"),
        strict=True,
    ):
        for split, colour, line in (("train", BLUE, "-"), ("validation", VERMILION, "--")):
            rows = history[history["split"] == split].sort_values(column)
            if rows.empty:
                continue
            if split == "train":
                axes.plot(
                    rows[column], rows["loss"], ".", color=colour, alpha=0.25, markersize=2.5, rasterized=True
                )
                smooth = rows["loss"].rolling(max(1, len(rows) // 50), center=True, min_periods=1).median()
                axes.plot(rows[column], smooth, line, color=colour, label="training")
            else:
                axes.plot(
                    rows[column], rows["loss"], line, color=colour, marker="o", markersize=3.5, label=split
                )
        axes.set_xlabel(label)
        if (history["loss"].dropna() > 0).all():
            _log_scale(axes)
    figure.axes[0].set_ylabel("Loss (eq. 5, per series)")
    figure.axes[0].legend()
    return to_picture(figure, alt)


def process_names(workers: pd.Series) -> pd.Series:
    """Name the process of every row of a timeline: the number of a worker, or the supervisor of all."""
    return workers.map(lambda worker: SUPERVISOR if pd.isna(worker) else f"{int(worker)}")


@styled
def draw_timeline(timeline: pd.DataFrame, alt: str) -> tuple[Picture, float]:
    """Draw what each process did when; also gives the last second shown.

    Of a long training only the first `MAX_SPANS` spans are drawn: more would be finer than a pixel. Phases
    differ in colour and hatch, and lost time is lower: colour is never the only sign.

    Parameters
    ----------
    timeline : DataFrame
        Columns ``process`` (from `process_names`), ``phase``, ``start_s`` and ``end_s``.
    alt : str
    """
    shown = timeline.sort_values(["start_s", "end_s"], kind="stable").head(MAX_SPANS)
    processes = sorted(shown["process"].unique(), key=lambda name: (name == SUPERVISOR, len(name), name))
    present = set(shown["phase"].astype(str))
    phases = [*(phase for phase in PHASES if phase in present), *sorted(present - set(PHASES))]
    figure = Figure(figsize=(8.2, 0.95 + 0.34 * len(processes)), layout="constrained")
    axes = figure.subplots()
    for number, phase in enumerate(phases):
        colour, hatch = PHASES.get(phase, SPARE[number % len(SPARE)])
        height = LOW if phase in LOST else HIGH
        look: dict[str, Any] = {
            "facecolor": colour,
            "hatch": hatch,
            "edgecolor": _over(colour),
            "linewidth": 0,
        }
        for place, process in enumerate(processes):
            spans = shown[(shown["phase"] == phase) & (shown["process"] == process)]
            bars = list(zip(spans["start_s"], spans["end_s"] - spans["start_s"], strict=True))
            axes.broken_barh(bars, (place + HIGH / 2 - height, height), **look)
        axes.broken_barh([], (0, 0), label=phase, **look)
    axes.set_yticks(range(len(processes)), processes)
    axes.set_ylim(len(processes) - 0.5, -0.5)
    axes.set_ylabel("Worker")
    axes.set_xlabel("Time (s)")
    axes.margins(x=0.005)
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper left", ncols=8, columnspacing=1.3, handlelength=1.8)
    return to_picture(figure, alt), float(shown["end_s"].max())


@styled
def draw_pace(history: pd.DataFrame, alt: str) -> tuple[Picture, pd.DataFrame]:
    """Draw series per second over the training, all workers together; also gives the numbers.

    Parameters
    ----------
    history : DataFrame
        Columns ``split``, ``time_s`` and ``samples``.
    alt : str
    """
    rows = history[history["split"] == "train"].sort_values("time_s")
    time, samples = rows["time_s"].to_numpy(float), rows["samples"].to_numpy(float)
    edges = np.linspace(time[0], time[-1], min(PACE_BINS, max(1, len(rows) // 3)) + 1)
    done = np.interp(edges, time, samples)
    pace = np.diff(done) / np.maximum(np.diff(edges), 1e-9)
    figure = Figure(figsize=(8.2, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.stairs(pace, edges, color=BLUE, linewidth=1.5, baseline=None)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.005)
    axes.set_xlabel("Time (s)")
    axes.set_ylabel("Series per second")
    table = pd.DataFrame({"start_s": edges[:-1], "end_s": edges[1:], "series_per_s": pace})
    return to_picture(figure, alt), table


@styled
def draw_staleness(staleness: pd.Series, alt: str) -> tuple[Picture, pd.DataFrame]:
    """Draw how many updates old the weights behind the gradients were; also gives the numbers.

    Parameters
    ----------
    staleness : Series
        One whole number per update.
    alt : str
    """
    counts = staleness.astype(int).value_counts().sort_index()
    figure = Figure(figsize=(8.2, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.bar(counts.index, 100 * counts / counts.sum(), color=BLUE, width=0.8)
    axes.axvline(staleness.mean(), color=VERMILION, linestyle="--", linewidth=1.2)
    axes.set_xlabel("Staleness (updates by others between fetch and use)")
    axes.set_ylabel("Updates (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", visible=False)
    table = pd.DataFrame({"staleness": counts.index, "updates": counts.to_numpy()})
    return to_picture(figure, alt), table


@styled
def draw_scaling(scaling: pd.DataFrame, alt: str) -> Picture:
    """Draw speed-up against workers, without and with overlap, beside the ideal and the paper's.

    Parameters
    ----------
    scaling : DataFrame
        ``benchmarks/results/scaling.tsv``, rows of one number of servers.
    alt : str
    """
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    most = max(int(scaling["workers"].max()), PAPER_WORKERS)
    lengths = sorted(scaling["compute_s"].unique())
    for axes, overlap in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
        axes.plot([1, most], [1, most], color=GREY, linestyle="--", linewidth=1, label="ideal")
        for number, length in enumerate(lengths):
            rows = scaling[(scaling["compute_s"] == length) & (scaling["overlap"] == overlap)]
            rows = rows[rows["workers"] > 0].sort_values("workers")
            look = {"color": _SHADES[number % 4], "marker": _MARKERS[number % 4], "markersize": 4}
            axes.plot(rows["workers"], rows["speedup"], label=f"{length:g} s per step", **look)
        axes.plot(PAPER_WORKERS, PAPER_SPEEDUP, "*", color=VERMILION, markersize=11, label="paper (Fig. 5)")
        axes.set_title("with overlap" if overlap else "without overlap")
        axes.set_xlabel("Workers")
        axes.set_xlim(0, most + 0.7)
        axes.set_ylim(0, most + 0.7)
    figure.axes[0].set_ylabel("Speed-up over one process")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=6)
    return to_picture(figure, alt)


def _over(colour: str) -> str:
    """White or dark, whichever is seen on a colour."""
    red, green, blue = to_rgb(colour)
    return "#ffffffb0" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5 else "#1b1f24b0"


def _log_scale(axes: Axes) -> None:
    axes.set_yscale("log")
    # Plain numbers; where the range is short, the marks between powers of ten get theirs too.
    axes.yaxis.set_major_formatter("{x:g}")
    low, high = axes.get_ylim()
    axes.yaxis.set_minor_formatter("{x:g}" if high < 10 * low else NullFormatter())
