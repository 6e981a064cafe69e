"""Line charts of the report. Every axis has its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dca.report.picture import (
    BLUE,
    GREEN,
    GREY,
    INK,
    VERMILION,
    Picture,
    styled,
    to_picture,
)
from dca.report.setups import is_raw

FD_THRESHOLD = 0.5  # mm, the volumes that are commonly called moved
TRANSLATIONS, ROTATIONS = ("trans_x", "trans_y", "trans_z"), ("rot_x", "rot_y", "rot_z")
MANY_RUNS = 40
_DASHES = ("-", "--", ":")  # colour is never the only sign


@styled
def draw_motion(confounds: pd.DataFrame, tr: float, alt: str) -> Picture | None:
    """Draw head motion, FD and DVARS over time; None when the table has none of them.

    Parameters
    ----------
    confounds : DataFrame
        One row per volume, columns as in BIDS derivatives.
    tr : float
        Repetition time in seconds.
    alt : str
    """
    numbers = confounds.apply(pd.to_numeric, errors="coerce")
    dvars = "std_dvars" if "std_dvars" in numbers else "dvars"
    panels = [
        (TRANSLATIONS, 1.0, "Translation (mm)"),
        (ROTATIONS, 180 / np.pi, "Rotation (°)"),
        (("framewise_displacement",), 1.0, "FD (mm)"),
        ((dvars,), 1.0, "Standardised DVARS" if dvars == "std_dvars" else "DVARS"),
    ]
    present = [panel for panel in panels if all(name in numbers for name in panel[0])]
    if not present:
        return None
    time = np.arange(len(numbers)) * tr
    figure = Figure(figsize=(8.2, 1.25 * len(present) + 0.4), layout="constrained")
    rows = np.atleast_1d(figure.subplots(len(present), 1, sharex=True))
    for axes, (names, factor, label) in zip(rows, present, strict=True):
        for name, colour, dash in zip(names, (BLUE, VERMILION, GREEN), _DASHES, strict=False):
            axes.plot(time, factor * numbers[name], dash, color=colour, label=name[-1], linewidth=1.1)
        if names == ("framewise_displacement",):
            axes.axhline(FD_THRESHOLD, color=GREY, linestyle="--", linewidth=1)
        axes.set_ylabel(label, fontsize=8)
        axes.margins(x=0.005)
    rows[-1].set_xlabel("Time (s)")
    if len(present[0][0]) > 1:
        figure.legend(*rows[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return to_picture(figure, alt)


@styled
def draw_motion_overview(displacement: Mapping[str, np.ndarray], alt: str) -> Picture:
    """Draw how far the head moved in every run: a row per run, a histogram where there are many.

    Parameters
    ----------
    displacement : mapping
        Run to framewise displacement in mm, finite values only.
    alt : str
    """
    if len(displacement) > MANY_RUNS:
        figure = Figure(figsize=(8.2, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.hist([values.mean() for values in displacement.values()], bins=40, color=BLUE)
        axes.set_xlabel("Mean FD of a run (mm)")
        axes.set_ylabel("Runs")
        return to_picture(figure, alt)
    figure = Figure(figsize=(8.2, 0.9 + 0.27 * len(displacement)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(displacement))
    quartiles = np.array([np.percentile(v, [25, 50, 75, 95]) for v in displacement.values()])
    axes.hlines(
        places, quartiles[:, 0], quartiles[:, 3], color=GREY, linewidth=1, label="25th to 95th percentile"
    )
    axes.hlines(places, quartiles[:, 0], quartiles[:, 2], color=BLUE, linewidth=6, label="middle half")
    axes.plot(quartiles[:, 1], places, "|", color="white", markersize=6, markeredgewidth=1.5)
    means = [values.mean() for values in displacement.values()]
    axes.plot(means, places, "D", color=VERMILION, markersize=4.5, label="mean")
    axes.set_yticks(places, list(displacement))
    axes.invert_yaxis()
    axes.set_ylim(len(displacement) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("Framewise displacement (mm)")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper left", ncols=3)
    return to_picture(figure, alt)


@styled
def draw_time_courses(
    regressor: np.ndarray | None, atoms: Mapping[str, np.ndarray], tr: float, alt: str
) -> Picture:
    """Draw atoms over the event's regressor, all standardised over the run.

    Parameters
    ----------
    regressor : ndarray, shape (T,), or None
        The event convolved with the hemodynamic response, filtered as the data.
    atoms : mapping
        Setup to time course, shape (T,), with its sign turned so that it follows the event.
    tr : float
        Repetition time in seconds.
    alt : str
    """
    figure = Figure(figsize=(8.2, 1.9), layout="constrained")
    axes = figure.subplots()
    if regressor is not None:
        time = np.arange(len(regressor)) * tr
        design = _standardise(regressor)
        axes.fill_between(time, design.min(), design, color="#c9ced6", linewidth=0, label="event ∗ HRF")
    for setup, course in atoms.items():
        time = np.arange(len(course)) * tr
        dash = "--" if is_raw(setup) else "-"
        axes.plot(time, _standardise(course), dash, color=_colour(setup), linewidth=1.2, label=setup)
    axes.set_xlabel("Time (s)")
    axes.set_ylabel("SD units")
    axes.margins(x=0.005)
    figure.legend(loc="outside upper right", ncols=3)
    return to_picture(figure, alt)


@styled
def draw_excess(excess: pd.DataFrame, differences: pd.DataFrame, setups: Sequence[str], alt: str) -> Picture:
    """Draw best |PCC| minus the null's mean by event and setup: a dot per run, a bar for the mean.

    Below, where there are any, the paired differences with their intervals.

    Parameters
    ----------
    excess : DataFrame
        Columns ``event``, ``setup``, ``excess``.
    differences : DataFrame
        Columns ``event``, ``difference``, ``ci_low``, ``ci_high``: the last of `setups` less the first; all
        events together too.
    setups : sequence of str
        In their order from left to right.
    alt : str
    """
    events = list(dict.fromkeys([*excess["event"], *differences["event"]]))
    paired = not differences.empty
    figure = Figure(figsize=(8.2, 4.6 if paired else 3.0), layout="constrained")
    axes, *below = np.atleast_1d(figure.subplots(1 + paired, sharex=True, height_ratios=[3, 2][: 1 + paired]))
    axes.axhline(0, color=INK, linewidth=0.9)
    for number, setup in enumerate(setups):
        offset = (number - (len(setups) - 1) / 2) * 0.32
        for place, event in enumerate(events):
            values = excess.loc[(excess["event"] == event) & (excess["setup"] == setup), "excess"].to_numpy()
            if not values.size:
                continue
            spread = offset + _spread(len(values), 0.10)
            _dots(axes, place + spread, values, setup)
            axes.hlines(values.mean(), place + offset - 0.13, place + offset + 0.13, color=INK, linewidth=2)
    for lower in below:
        _intervals(lower, differences.set_index("event").reindex(events))
        lower.set_ylabel(f"{setups[-1]} − {setups[0]}")
    last = below[-1] if below else axes
    last.set_xticks(range(len(events)), events, rotation=20 if len(events) > 6 else 0)
    for own in (axes, *below):
        own.grid(axis="x", visible=False)
    axes.set_ylabel("Best |PCC| − mean of null")
    figure.legend(loc="outside upper left", ncols=2)
    return to_picture(figure, alt)


def _intervals(axes: Axes, differences: pd.DataFrame) -> None:
    place, middle = np.arange(len(differences)), differences["difference"].to_numpy(float)
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.vlines(place, differences["ci_low"], differences["ci_high"], color=INK, linewidth=2)
    axes.plot(place, middle, "D", color=INK, markersize=5)


def _dots(axes: Axes, x: np.ndarray, y: np.ndarray, setup: str) -> None:
    marker = "s" if is_raw(setup) else "o"
    known = setup in axes.get_legend_handles_labels()[1]
    label = None if known else setup
    axes.plot(x, y, marker, color=_colour(setup), alpha=0.75, markersize=5, markeredgewidth=0, label=label)


def _colour(setup: str) -> str:
    return VERMILION if is_raw(setup) else BLUE


def _spread(count: int, half: float) -> np.ndarray:
    """Evenly spaced offsets, so that dots of equal height do not hide each other."""
    return np.linspace(-half, half, count) if count > 1 else np.zeros(count)


def _standardise(course: Sequence[float] | np.ndarray) -> np.ndarray:
    values = np.asarray(course, dtype=np.float64)
    deviation = values.std()
    return (values - values.mean()) / (deviation if deviation > 0 else 1)
