"""Figures as small PNG images, and as vectors for papers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from dca.errors import InputError

DPI = 144  # 1.5 device pixels per CSS pixel at 96 per inch: sharp enough, and small
CSS_DPI = 96

# Okabe & Ito's colours: told apart with any colour vision, and in grey.
BLUE, VERMILION, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8a8f98", "#1b1f24"
# What a worker does, in order of the legend: work in blue and green, lost time in warm colours. Hatches tell
# them apart without colour.
PHASES = {
    "compute": (BLUE, ""),
    "read": ("#56B4E9", "...."),
    "exchange": ("#E69F00", "////"),
    "wait": (VERMILION, "xxxx"),
    "update": (GREEN, "----"),
    "validate": ("#CC79A7", "\\\\\\\\"),
    "checkpoint": ("#F0E442", "||||"),
    "start-up": ("#c3c8d0", "oooo"),
}
LOST = ("exchange", "wait", "start-up")  # drawn as low bars
SPARE = ((GREY, "++++"), ("#4b5563", "****"), (INK, ""))

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#6b7280",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.4,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in an event's name is a dollar sign
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
}

#: Decorator of every function that draws.
styled = matplotlib.rc_context(STYLE)


@dataclass(frozen=True)
class Picture:
    """An image for the page.

    Attributes
    ----------
    png : bytes
    width, height : int
        Natural size in CSS pixels.
    alt : str
        What it shows, for those who do not see it.
    figure : Figure or None
        What it was drawn from, for other formats.
    vectors : mapping
        Of a picture that was drawn elsewhere: format to the file that is there.
    """

    png: bytes
    width: int
    height: int
    alt: str
    figure: Figure | None = None
    vectors: Mapping[str, Path] = field(default_factory=dict)


def to_picture(figure: Figure, alt: str, colours: int = 64) -> Picture:
    """Render a figure as PNG with a palette of `colours`."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")
    image = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    return _picture(image, alt, colours, CSS_DPI / DPI, figure)


def save_vector(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG or PDF, by the suffix; the same figure gives the same bytes.

    It was drawn by `to_picture`: its layout is settled, so that one pass suffices.
    """
    with matplotlib.rc_context({"svg.hashsalt": "dca", "svg.fonttype": "none", "pdf.fonttype": 42}):
        if str(path).endswith(".pdf"):
            FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
        else:
            FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})


def shrink_png(path: str | Path, alt: str, max_width: int = 1600) -> Picture:
    """Take in an image file, shrunk to `max_width` pixels and a palette.

    Raises
    ------
    InputError
        If it is not a readable image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            opaque = Image.new("RGB", image.size, "white")
            opaque.paste(image, mask=image.convert("RGBA").getchannel("A"))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's word for a broken PNG is SyntaxError
        raise InputError(
            path, f"is not a readable image ({error})", "delete it and re-run its stage"
        ) from error
    if opaque.width > max_width:
        size = max_width, round(opaque.height * max_width / opaque.width)
        opaque = opaque.resize(size, Image.Resampling.LANCZOS)
    return _picture(opaque, alt, 128, 1.0)


def _picture(
    image: Image.Image, alt: str, colours: int, scale: float, figure: Figure | None = None
) -> Picture:
    # Without dithering flat areas stay flat, and compress.
    few = image.convert("RGB").quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    few.save(packed, format="png", optimize=True)
    size = round(image.width * scale), round(image.height * scale)
    return Picture(packed.getvalue(), *size, alt, figure)
