"""Filters of the encoder as small multiples, and what they let pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from dca.report.picture import BLUE, GREY, Picture, styled, to_picture

PER_ROW = 8
POINTS = 128  # of a frequency response


def responses(filters: np.ndarray, tr: float) -> tuple[np.ndarray, np.ndarray]:
    """Gain of filters by frequency.

    Parameters
    ----------
    filters : ndarray, shape (length, ...)
    tr : float
        In seconds, between the points of what they are applied to.

    Returns
    -------
    frequency : ndarray, shape (F,)
        In Hz, 0 to half the sampling rate.
    gain : ndarray, shape (F, ...)
    """
    points = max(POINTS, len(filters))
    return np.fft.rfftfreq(points, tr), np.abs(np.fft.rfft(filters, points, axis=0))


def draw_filters(filters: np.ndarray, tr: float, alt: str) -> Picture:
    """Draw filters over time lag as small multiples on shared axes.

    Parameters
    ----------
    filters : ndarray, shape (length, features)
    tr : float
        Repetition time in seconds.
    alt : str
    """
    length = len(filters)
    lag = (np.arange(length) - (length - 1) / 2) * tr
    return _multiples(lag, filters, "Lag (s)", "Weight", alt)


def draw_gains(filters: np.ndarray, tr: float, alt: str) -> Picture:
    """Draw the gain of filters by frequency as small multiples on shared axes; as `draw_filters`."""
    frequency, gain = responses(filters, tr)
    return _multiples(frequency, gain, "Frequency (Hz)", "Gain", alt)


@styled
def draw_deeper(kernels: np.ndarray, tr: float, alt: str) -> tuple[Picture, pd.DataFrame]:
    """Draw the gain of all features of a deeper layer, each over all of its inputs; also gives the numbers.

    Parameters
    ----------
    kernels : ndarray, shape (length, inputs, features)
    tr : float
        Seconds between the points that the layer sees, after pooling.
    alt : str
    """
    frequency, gain = responses(kernels, tr)
    total = np.sqrt((gain**2).sum(axis=1))
    order = np.argsort(total.argmax(axis=0), kind="stable")
    figure = Figure(figsize=(8.2, 2.8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        total[:, order].T,
        aspect="auto",
        cmap="cividis",
        extent=(0, frequency[-1], total.shape[1], 0),
        interpolation="nearest",
        vmin=0,
    )
    axes.set_xlabel("Frequency (Hz)")
    axes.set_ylabel("Feature, by its peak")
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="Gain over all inputs", pad=0.01)
    table = pd.DataFrame(total, columns=[f"feature_{k + 1}" for k in range(total.shape[1])])
    table.insert(0, "frequency_hz", frequency)
    return to_picture(figure, alt, colours=128), table


@styled
def _multiples(x: np.ndarray, curves: np.ndarray, across: str, up: str, alt: str) -> Picture:
    """Draw every column in a cell of its own of one pair of axes, which is quicker than one each."""
    count = curves.shape[1]
    columns = min(PER_ROW, count)
    rows = -(-count // columns)
    low, high = min(0.0, float(curves.min())), float(curves.max()) or 1.0
    if low < 0:  # the same up and down, so that 0 is in the middle
        high = max(high, -low)
        low = -high
    wide, tall = 1.15 * (x[-1] - x[0] or 1), 1.35 * (high - low)
    figure = Figure(figsize=(8.2, 0.85 * rows + 0.7), layout="constrained")
    axes = figure.subplots()
    lines, zeros = [], []
    for number in range(count):
        row, column = divmod(number, columns)
        shift = np.array([column * wide, -row * tall])
        lines.append(np.column_stack([x, curves[:, number]]) + shift)
        zeros.append(np.array([[x[0], 0], [x[-1], 0]]) + shift)
        axes.text(x[0] + shift[0], high + shift[1], str(number + 1), fontsize=7, va="bottom")
    axes.add_collection(LineCollection(zeros, colors=GREY, linewidths=0.6))
    axes.add_collection(LineCollection(lines, colors=BLUE, linewidths=1.2))
    axes.set_xlim(x[0] - 0.05 * wide, x[0] + columns * wide - 0.1 * wide)
    axes.set_ylim(low - (rows - 1) * tall - 0.05 * tall, high + 0.22 * tall)
    reach = _round(0.8 * float(x[-1]))
    marks = [-reach, 0.0, reach] if x[0] < 0 else [0.0, reach]
    places = [column * wide + mark for column in range(columns) for mark in marks]
    axes.set_xticks(
        places, [f"{mark:g}".replace("-", "−") for _ in range(columns) for mark in marks], fontsize=6.5
    )
    most = _round(0.95 * high)
    heights = [-most, 0.0, most] if low < 0 else [0.0, most]
    axes.set_yticks(
        [-row * tall + height for row in range(rows) for height in heights],
        [f"{height:g}".replace("-", "−") for _ in range(rows) for height in heights],
        fontsize=6.5,
    )
    axes.grid(visible=False)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return to_picture(figure, alt, colours=32)


def _round(value: float) -> float:
    """Shorten a positive number to its first digit."""
    if value <= 0:
        return value
    unit = 10.0 ** np.floor(np.log10(value))
    return float(f"{np.floor(value / unit) * unit:.6g}")
