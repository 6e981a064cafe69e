"""Charts of the model's work on single voxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from dca.report.picture import BLUE, GREY, Picture, styled, to_picture

HIGH_PERCENT = 99.0  # of all |features|, where the colours end


class Example(NamedTuple):
    """One voxel: what is said of it, its signal and the model's reconstruction, each of shape (T,)."""

    title: str
    signal: np.ndarray
    model: np.ndarray


@styled
def draw_reconstructions(time: np.ndarray, examples: Sequence[Example], alt: str) -> Picture:
    """Draw signals and reconstructions on one scale, a panel per voxel.

    Parameters
    ----------
    time : ndarray, shape (T,)
        In seconds.
    examples : sequence of Example
    alt : str
    """
    figure = Figure(figsize=(8.2, 1.45 * len(examples) + 0.4), layout="constrained")
    rows = np.atleast_1d(figure.subplots(len(examples), 1, sharex=True, sharey=True))
    for axes, example in zip(rows, examples, strict=True):
        axes.plot(time, example.signal, color=GREY, linewidth=0.9, label="signal")
        axes.plot(time, example.model, color=BLUE, linewidth=1.5, label="reconstruction")
        axes.set_title(example.title, fontsize=8.5, fontweight="normal")
        axes.set_ylabel("SD units")
        axes.margins(x=0.005)
    rows[-1].set_xlabel("Time (s)")
    figure.legend(*rows[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return to_picture(figure, alt)


@styled
def draw_features(codes: np.ndarray, alt: str) -> Picture:
    """Draw the features of voxels as an image on one symmetric scale.

    Parameters
    ----------
    codes : ndarray, shape (voxels, hidden)
        Their mean over voxels taken out.
    alt : str
    """
    limit = float(np.percentile(np.abs(codes), HIGH_PERCENT)) or 1.0
    figure = Figure(figsize=(8.2, 2.4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        codes,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        extent=(0, codes.shape[1], len(codes), 0),
    )
    axes.set_xlabel("Feature")
    axes.set_ylabel("Voxel, random order")
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="Feature − mean", pad=0.01)
    return to_picture(figure, alt, colours=128)
