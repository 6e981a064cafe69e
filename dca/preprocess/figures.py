"""Figures of a run before and after: the carpet plot, and maps of temporal SNR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dca.files import atomic, read_tsv
from dca.inputs.image import open_bold
from dca.preprocess.series import read_mask, volumes
from dca.preprocess.summary import tsnr_map

ROWS = 1200  # voxels shown, evenly spread over the mask
LIMIT = 2.5  # colour range in standard deviations
FD_LINE_MM = 0.5
SLICES = 7
# What each format would say of version and time is left out.
FORMATS = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
LARGE, GREYS = 100_000, 32  # numbers of an image, and levels of one that has more
VECTORS: dict[Any, Any] = {"svg.hashsalt": "dca", "svg.fonttype": "none", "pdf.fonttype": 42}


def carpet(
    raw: str | Path,
    preprocessed: str | Path,
    mask: str | Path,
    confounds: str | Path,
    out: str | Path,
    *,
    tr: float,
    title: str = "",
    raw_mask: str | Path | None = None,
) -> None:
    """Draw the carpet plot of one run.

    From top to bottom: framewise displacement (where motion is known), standardised DVARS, and
    series of in-mask voxels from bottom to top of the image, of the raw and the preprocessed run on
    one scale: each voxel's changes, as share of its mean, in standard deviations of the raw run's. So
    what preprocessing took away is paler after it.

    Parameters
    ----------
    raw, preprocessed : path
        4-D images; where they are one file, it is drawn once.
    mask : path
        3-D mask on the grid of the preprocessed run.
    confounds : path
        From `dca.preprocess.confounds.write_confounds`.
    out : path
        Ends in ``.png``; ``.svg`` and ``.pdf`` are written beside it.
    tr : float
        Repetition time in seconds.
    title : str
    raw_mask : path, optional
        Mask of the raw run, where that lies on another grid. The scale is then that of the median voxel.

    Raises
    ------
    ImageError
        If an image or the mask cannot be used.
    """
    images = {"raw": raw, "preprocessed": preprocessed}
    if Path(raw).resolve() == Path(preprocessed).resolve():
        images = {"preprocessed": preprocessed}
    masks = {"raw": raw_mask or mask, "preprocessed": mask}
    panels = _comparable(
        {name: _sample(path, masks[name]) for name, path in images.items()},
        same_voxels=Path(masks["raw"]).resolve() == Path(masks["preprocessed"]).resolve(),
    )
    table = read_tsv(confounds)
    traces = [name for name in ("framewise_displacement", "std_dvars") if name in table]
    figure = Figure(figsize=(10, 1.2 * len(traces) + 2.8 * len(panels) + 0.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    heights = [1.0] * len(traces) + [2.6] * len(panels)
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, name in zip(axes, traces, strict=False):
        _draw_trace(axis, table[name], tr)
    drawn = axes[len(traces) :]
    for axis, (name, series) in zip(drawn, panels.items(), strict=True):
        shown = axis.imshow(
            series,
            aspect="auto",
            cmap="gray",
            vmin=-LIMIT,
            vmax=LIMIT,
            interpolation="none",
            extent=(0, series.shape[1] * tr, 0, len(series)),
        )
        axis.set_ylabel(f"{name}\n{len(series)} voxels")
        axis.set_yticks([])
    unit = "standard deviations" + (" of the raw run" if len(panels) > 1 else "")
    figure.colorbar(shown, ax=list(drawn), label=f"change from the mean ({unit})", fraction=0.025, pad=0.01)
    axes[-1].set_xlabel("time (s)")
    axes[0].set_title(title)
    _save(figure, out)


def _draw_trace(axis: Axes, values: pd.Series, tr: float) -> None:
    label, colour = {
        "framewise_displacement": ("FD (mm)", "tab:red"),
        "std_dvars": ("DVARS\n(ratio to expected)", "tab:blue"),
    }[str(values.name)]
    axis.plot((np.arange(len(values)) + 0.5) * tr, values, color=colour, linewidth=1)
    if values.name == "framewise_displacement":
        axis.axhline(FD_LINE_MM, color="0.5", linewidth=0.8, linestyle="--")
        axis.set_ylim(bottom=0)
    axis.set_ylabel(label)
    axis.margins(x=0)
    axis.spines[["top", "right"]].set_visible(False)


def _sample(bold: str | Path, mask: str | Path) -> np.ndarray:
    """Series (rows, T), float64, of evenly spread in-mask voxels, the top of the image first."""
    image = open_bold(bold)
    inside = read_mask(mask, image)
    # File order runs slice by slice along the third axis.
    stored = np.flatnonzero(inside.ravel(order="F"))
    stored = stored[np.linspace(0, len(stored) - 1, min(ROWS, len(stored))).round().astype(int)][::-1]
    return np.stack([volume.ravel(order="F")[stored] for volume in volumes(image)], axis=1, dtype=np.float64)


def _comparable(panels: dict[str, np.ndarray], *, same_voxels: bool) -> dict[str, np.ndarray]:
    """Changes of series (rows, T) about the mean of each, in standard deviations of the first panel's.

    Both as share of the mean, as the run is scaled on its way. Rows with a value that is not finite are
    left out, of all panels if these show the same voxels.
    """
    finite = {name: np.isfinite(series).all(axis=1) for name, series in panels.items()}
    if same_voxels:
        finite = dict.fromkeys(panels, np.logical_and.reduce(list(finite.values())))
    changes = {}
    for name, series in panels.items():
        series = series[finite[name]]
        mean = series.mean(axis=1, keepdims=True)
        changes[name] = (series - mean) / np.where(mean == 0, 1, np.abs(mean))
    spread = next(iter(changes.values())).std(axis=1, keepdims=True)
    if not same_voxels:
        spread = np.median(spread, axis=0, keepdims=True)
    return {
        name: np.divide(change, spread, out=np.zeros_like(change), where=spread > 0)
        for name, change in changes.items()
    }


def tsnr(
    raw: str | Path,
    raw_mask: str | Path,
    preprocessed: str | Path,
    mask: str | Path,
    out: str | Path,
    *,
    title: str = "",
) -> None:
    """Draw temporal SNR before and after preprocessing on axial slices, on one colour scale.

    Parameters
    ----------
    raw, preprocessed : path
        4-D images; where they are one file, it is drawn once.
    raw_mask, mask : path
        Brain on the grid of each.
    out : path
        Ends in ``.png``; ``.svg`` and ``.pdf`` are written beside it.
    title : str

    Raises
    ------
    ImageError
        If an image or a mask cannot be used.
    """
    named = {"raw": (raw, raw_mask), "preprocessed": (preprocessed, mask)}
    if Path(raw).resolve() == Path(preprocessed).resolve():
        del named["raw"]
    maps = {name: _canonical(tsnr_map(*paths), paths[0]) for name, paths in named.items()}
    known = np.concatenate([ratio[np.isfinite(ratio)] for ratio, _ in maps.values()] or [np.empty(0)])
    high = float(np.percentile(known, 98)) if known.size else 1.0
    figure = Figure(figsize=(10, 1.75 * len(maps) + 0.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(maps), SLICES, squeeze=False)
    for row, (name, (ratio, aspect)) in zip(axes, maps.items(), strict=True):
        filled = np.flatnonzero(np.isfinite(ratio).any(axis=(0, 1)))
        low, top = (filled[0], filled[-1]) if filled.size else (0, ratio.shape[2] - 1)
        for axis, level in zip(row, np.linspace(low, top, SLICES + 2)[1:-1].astype(int), strict=True):
            shown = axis.imshow(
                ratio[:, :, level].T, origin="lower", cmap="viridis", vmin=0, vmax=high, aspect=aspect
            )
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
        here = ratio[np.isfinite(ratio)]
        row[0].set_ylabel(f"{name}\nmedian {np.median(here):.0f}" if here.size else name)
    figure.colorbar(shown, ax=list(axes.ravel()), label="temporal SNR (ratio)", fraction=0.025, pad=0.01)
    figure.suptitle(title, fontsize="medium")
    _save(figure, out)


def _save(figure: Figure, out: str | Path) -> None:
    """Write a figure as PNG, and beside it as SVG and PDF for papers; the same data give the same bytes."""
    for suffix, metadata in FORMATS.items():
        with rc_context(VECTORS), atomic(Path(out).with_suffix(suffix)) as temporary:
            figure.savefig(temporary, metadata=metadata)
        if suffix == ".png":
            _thin_out(figure)


def _thin_out(figure: Figure) -> None:
    """Give large images the pixels that they have as PNG, and fewer greys: in full an SVG has megabytes."""
    for image in (image for axis in figure.axes for image in axis.images):
        if np.prod(image.get_size()) > LARGE:
            image.set_interpolation("nearest")
            image.set_cmap(image.get_cmap().resampled(GREYS))


def _canonical(data: np.ndarray, image: str | Path) -> tuple[np.ndarray, float]:
    """Axes turned to the right, front and top, and a voxel's length to the front over that to the right."""
    turned = nib.as_closest_canonical(nib.Nifti1Image(data, open_bold(image).affine))
    across, front, _ = nib.affines.voxel_sizes(turned.affine)
    return np.asarray(turned.dataobj), float(front / across)
