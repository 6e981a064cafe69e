"""Brain images: maps over the mean image, and the mask's outline, on slices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import binary_erosion

from dca.report.picture import Picture, styled, to_picture
from dca.report.scales import COLOURS, Scale

VIEWS = ("sagittal", "coronal", "axial")
_PLANES = {"sagittal": (1, 2), "coronal": (0, 2), "axial": (0, 1)}  # axes shown: horizontal, vertical
_MARGIN = 2  # voxels around the brain
_DASHES = (0, (2, 1.2))  # around what is negative
_PER_VOXEL = 6  # points of an outline along a voxel's edge


class Volume(NamedTuple):
    """A 3-D image with axes to the right, front and top.

    Attributes
    ----------
    data : ndarray, float32, shape (X, Y, Z)
    affine : ndarray, float64, shape (4, 4)
        Voxel indices to mm.
    """

    data: np.ndarray
    affine: np.ndarray

    @property
    def voxel_mm(self) -> np.ndarray:
        """Edge lengths of a voxel in mm, shape (3,)."""
        return np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))


def peak(volume: Volume, two_sided: bool = False) -> tuple[int, int, int]:
    """Voxel of the largest value (or absolute value), as indices; the first of equals."""
    data = np.abs(volume.data) if two_sided else volume.data
    flat = int(np.argmax(np.where(np.isfinite(data), data, -np.inf)))
    i, j, k = np.unravel_index(flat, data.shape)
    return int(i), int(j), int(k)


def in_mm(volume: Volume, voxel: tuple[int, int, int]) -> tuple[int, int, int]:
    """Position of a voxel's centre, rounded to whole mm."""
    x, y, z = np.round(volume.affine @ np.array([*voxel, 1.0]))[:3]
    return int(x), int(y), int(z)


@styled
def draw_map(
    values: Volume, background: Volume, frame: Volume, cut: tuple[int, int, int], scale: Scale, alt: str
) -> Picture:
    """Draw a map over the mean image on the three planes through one voxel.

    What is below the negative of the scale's threshold has a dashed outline.

    Parameters
    ----------
    values, background, frame : Volume
        On one grid. The picture is cropped to the non-zero part of `frame`.
    cut : tuple of int
        The voxel.
    scale : Scale
    alt : str
    """
    box = _bounds(frame.data)
    sizes = {view: _extent(background, view, box) for view in VIEWS}
    width, height = sum(w for w, _ in sizes.values()), max(h for _, h in sizes.values())
    foot = 0.1 * width  # for the colour bar
    figure, axes = _canvas(4.3, width, height + foot)
    grey = _grey_range(background.data)
    left = 0.0
    for view, (across, up) in sizes.items():
        low = foot + (height - up) / 2
        place = (left, left + across, low, low + up)
        _show(axes, _greys(background, view, cut, box, grey), place, "bilinear")
        section = _plane(values.data, view, cut, box)
        _show(axes, scale.rgba(section), place, "nearest")
        _outline(axes, section <= -scale.threshold, place)
        if view != "sagittal":
            _write(axes, left + 0.01 * width, foot + 0.94 * height, "L", "left")
            _write(axes, left + across - 0.01 * width, foot + 0.94 * height, "R", "right")
        left += across
    _colour_bar(axes, scale, (0.3 * width, 0.7 * width, 0.055 * width, 0.08 * width))
    return to_picture(figure, alt, colours=256)


class Sections:
    """Small maps on three planes side by side, made of pixels without any plotting.

    Parameters
    ----------
    background, frame : Volume
        On one grid. Pictures are cropped to the non-zero part of `frame`.
    height : int
        Pixels of the tallest plane.

    Attributes
    ----------
    affine : ndarray, shape (4, 4)
    size : (int, int)
        Height and width of a picture in pixels.
    """

    def __init__(self, background: Volume, frame: Volume, height: int) -> None:
        self.background, self.affine = background, background.affine
        self._box = _bounds(frame.data)
        extents = {view: _extent(background, view, self._box) for view in VIEWS}
        per_mm = height / max(up for _, up in extents.values())
        self._pixels = {
            view: (max(1, round(up * per_mm)), max(1, round(across * per_mm)))
            for view, (across, up) in extents.items()
        }
        self.size = height, sum(width for _, width in self._pixels.values())
        self._grey = _grey_range(background.data)

    def picture(self, values: np.ndarray, cut: tuple[int, int, int], scale: Scale) -> np.ndarray:
        """Draw values on the planes through a voxel, as RGB, uint8, shape (*size, 3).

        What is below the negative of the scale's threshold has a dotted outline.
        """
        picture = np.zeros((*self.size, 3))
        left = 0
        for view, (height, width) in self._pixels.items():
            grey = _greys(self.background, view, cut, self._box, self._grey)
            section = _plane(values, view, cut, self._box)
            colour = scale.rgba(section)
            mixed = grey + colour[..., 3:] * (colour[..., :3] - grey)
            top = (self.size[0] - height) // 2
            drawn = _stretch(mixed[::-1], height, width)
            drawn[_dots(_stretch(section[::-1] <= -scale.threshold, height, width))] = 1
            picture[top : top + height, left : left + width] = drawn
            left += width
        return np.rint(255 * picture).astype(np.uint8)


@styled
def draw_mask(
    background: Volume, mask: Volume | None, alt: str, slices: int = 8, whole: bool = False
) -> Picture:
    """Draw an image on axial slices from bottom to top, with the outline of a mask.

    The picture is cropped to the mask, or, if the `whole` is to be seen, to the image.
    """
    box = _bounds(background.data if mask is None or whole else mask.data)
    low, high = box[2]
    first, last = low + _MARGIN + 1, high - _MARGIN - 2  # the outermost slices of a brain show little
    levels = np.unique(np.linspace(first, max(first, last), slices).astype(int))
    width, height = _extent(background, "axial", box)
    foot = 0.09 * width  # for the position below each slice
    columns = 4
    rows = -(-len(levels) // columns)
    figure, axes = _canvas(8.2, columns * width, rows * (height + foot))
    grey = _grey_range(background.data)
    for number, level in enumerate(levels):
        row, column = divmod(number, columns)
        left, bottom = column * width, (rows - 1 - row) * (height + foot) + foot
        place = (left, left + width, bottom, bottom + height)
        cut = (0, 0, int(level))
        _show(axes, _greys(background, "axial", cut, box, grey), place, "bilinear")
        if mask is not None:
            outline = _plane(mask.data, "axial", cut, box) > 0
            if outline.any() and not outline.all():
                axes.contour(outline, [0.5], extent=place, colors=["#56B4E9"], linewidths=1.2)
        position = f"z = {in_mm(background, cut)[2]} mm".replace("-", "−")
        _write(axes, left + width / 2, bottom - 0.5 * foot, position, "center")
    _write(axes, 0.03 * width, rows * (height + foot) - 0.06 * width, "L", "left")
    _write(axes, 0.97 * width, rows * (height + foot) - 0.06 * width, "R", "right")
    return to_picture(figure, alt, colours=64)


def _stretch(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring an image to a size by its nearest pixels: values stay what they are."""
    rows = (np.arange(height) + 0.5) * image.shape[0] // height
    columns = (np.arange(width) + 0.5) * image.shape[1] // width
    return image[rows.astype(int)][:, columns.astype(int)]


def _dots(inside: np.ndarray) -> np.ndarray:
    """Pixels of a dotted line along the inner edge of what is inside."""
    row, column = np.ogrid[: inside.shape[0], : inside.shape[1]]
    edge = inside & ~binary_erosion(inside, border_value=1)
    return edge & ((row + column) % 2 == 0)


def _canvas(inches: float, width: float, height: float) -> tuple[Figure, Axes]:
    """A black figure that is one pair of axes in mm. One, because axes take longer than what is in them."""
    figure = Figure(figsize=(inches, inches * height / width), facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    return figure, axes


def _show(axes: Axes, image: np.ndarray, place: tuple[float, float, float, float], smoothing: str) -> None:
    axes.imshow(image, extent=place, origin="lower", aspect="auto", interpolation=smoothing)


def _outline(axes: Axes, inside: np.ndarray, place: tuple[float, float, float, float]) -> None:
    """Dashes along the edges of voxels: what is negative is told apart without colour."""
    if not inside.any():
        return
    fine = np.kron(np.pad(inside, 1), np.ones((_PER_VOXEL, _PER_VOXEL)))
    left, right, low, high = place
    across, up = (right - left) / inside.shape[1], (high - low) / inside.shape[0]
    around = (left - across, right + across, low - up, high + up)
    axes.contour(
        fine,
        [0.5],
        extent=around,
        origin="lower",
        colors=["white"],
        linewidths=0.6,
        linestyles=[(0, (2, 1.2))],
    )


def _write(axes: Axes, x: float, y: float, text: str, across: str) -> None:
    axes.text(x, y, text, color="white", fontsize=8, ha=across, va="center")


def _bounds(data: np.ndarray) -> list[tuple[int, int]]:
    """First and past-the-last index of the non-zero part along each axis, with a margin."""
    filled = np.isfinite(data) & (data != 0)
    bounds = []
    for axis in range(3):
        used = np.flatnonzero(filled.any(axis=tuple(a for a in range(3) if a != axis)))
        size = data.shape[axis]
        first, last = (int(used[0]), int(used[-1])) if used.size else (0, size - 1)
        bounds.append((max(0, first - _MARGIN), min(size, last + 1 + _MARGIN)))
    return bounds


def _extent(volume: Volume, view: str, box: list[tuple[int, int]]) -> tuple[float, float]:
    """Width and height of a plane in mm."""
    across, up = _PLANES[view]
    mm = volume.voxel_mm
    return float(mm[across] * (box[across][1] - box[across][0])), float(mm[up] * (box[up][1] - box[up][0]))


def _plane(data: np.ndarray, view: str, cut: tuple[int, int, int], box: list[tuple[int, int]]) -> np.ndarray:
    across, up = _PLANES[view]
    through = next(axis for axis in range(3) if axis not in (across, up))
    section = np.take(data, cut[through], axis=through)
    return section[slice(*box[across]), slice(*box[up])].T


def _grey_range(data: np.ndarray) -> tuple[float, float]:
    inside = data[np.isfinite(data) & (data != 0)]
    low, high = np.percentile(inside, [1, 99.5]) if inside.size else (0.0, 1.0)
    return min(float(low), 0.0), float(high)


def _greys(
    volume: Volume,
    view: str,
    cut: tuple[int, int, int],
    box: list[tuple[int, int]],
    limits: tuple[float, float],
) -> np.ndarray:
    """A plane as opaque RGB, at most 0.8 of white so that bright colours stand out."""
    section = np.nan_to_num(_plane(volume.data, view, cut, box))
    level = 0.8 * np.clip((section - limits[0]) / max(limits[1] - limits[0], 1e-12), 0, 1)
    return np.repeat(level[..., None], 3, axis=-1)


def _colour_bar(axes: Axes, scale: Scale, place: tuple[float, float, float, float]) -> None:
    left, right, low, high = place
    _show(axes, COLOURS(np.linspace(0, 1, 256))[None], place, "nearest")
    middle = (left + right) / 2
    around = [left, middle, middle, left, left], [low, low, high, high, low]
    axes.plot(*around, color="white", linewidth=0.6, linestyle=_DASHES)
    below = low - 0.7 * (high - low)
    end = f"{scale.limit:.3g}"
    for x, text, across in ((left, f"−{end}", "right"), (right, end, "left")):
        _write(
            axes, x + (-1 if across == "right" else 1) * 0.4 * (high - low), (low + high) / 2, text, across
        )
    _write(axes, (left + right) / 2, below, scale.label, "center")
