"""A map that the mouse moves through in three planes, as a page of its own."""

from __future__ import annotations

import gc
import re

import nibabel as nib
import numpy as np
from markupsafe import escape
from scipy.ndimage import maximum_filter, minimum_filter

from dca.report.gallery import Gallery
from dca.report.page import content_hash
from dca.report.scales import COLOURS, Scale
from dca.report.slices import Volume

FINEST_MM = 3.0  # voxels of a viewer: at 2 mm one would be a megabyte
STYLE = "body { background: #000; color: #fff; font: 16px system-ui, sans-serif; } .hidden { display: none; }"


def add_viewer(
    gallery: Gallery,
    name: str,
    title: str,
    values: Volume,
    background: Volume,
    cut: tuple[int, int, int],
    scale: Scale,
) -> str:
    """Write the viewer of a map (nilearn's, with brainsprite) and give its address.

    Parameters
    ----------
    gallery : Gallery
        Of a page that has files beside it.
    name : str
        File name without suffix.
    title : str
        Plain text.
    values, background : Volume
        On one grid; one finer than `FINEST_MM` is brought to that, see `_strongest`.
    cut : tuple of int
        The voxel to begin at.
    scale : Scale
        Weaker values than its threshold are not shown here.
    """
    from nilearn.plotting import view_img  # takes a while to import

    # nilearn collects garbage at each of its steps, which takes longer than the steps where a page's many
    # objects are looked through every time.
    gc.freeze()
    try:
        view = view_img(
            _coarsened(_strongest(values), "nearest"),
            bg_img=_coarsened(background, "linear"),
            cut_coords=tuple(float(mm) for mm in nib.affines.apply_affine(values.affine, cut)),
            threshold=scale.threshold,
            vmax=scale.limit,
            cmap=COLOURS,
            symmetric_cmap=True,
            black_bg=True,
            resampling_interpolation="nearest",
        )
    finally:
        gc.unfreeze()
    said = f"Colours: {scale.label}; left is left."
    if _is_fine(values):
        said += (
            f" Voxels of {FINEST_MM:g} mm: each shows the strongest value of the map's own, finer voxels"
            " there and next to it, so that regions look up to a voxel larger than they are."
        )
    page = _dress(view.get_standalone(), title, said)
    return gallery.add_file(f"{name}.html", page.encode())


def _coarsened(volume: Volume, interpolation: str) -> nib.Nifti1Image:
    """A volume as an image whose voxels are no smaller than `FINEST_MM`."""
    image = nib.Nifti1Image(volume.data, volume.affine)
    if not _is_fine(volume):
        return image
    from nilearn.image import resample_img

    return resample_img(image, np.eye(3) * FINEST_MM, interpolation=interpolation, force_resample=True)


def _is_fine(volume: Volume) -> bool:
    return bool(volume.voxel_mm.min() < FINEST_MM)


def _strongest(volume: Volume) -> Volume:
    """Give every voxel the value of largest size around it, as far as a coarser grid leaves voxels out.

    At 2 mm the nearest voxels of a grid of 3 mm are 30 % of all: a single strong voxel would be lost more
    often than not. Coarse volumes stay as they are.
    """
    reach = (np.ceil(FINEST_MM / volume.voxel_mm) // 2).astype(int)
    known = np.nan_to_num(volume.data, nan=0.0, posinf=0.0, neginf=0.0)
    high, low = maximum_filter(known, 2 * reach + 1), minimum_filter(known, 2 * reach + 1)
    return Volume(np.where(high >= -low, high, low), volume.affine)


def _dress(page: str, title: str, said: str) -> str:
    """Add title, heading, description and a policy that allows the page's own scripts and nothing else."""
    scripts = " ".join(
        f"'{content_hash(code)}'" for code in re.findall(r"<script>(.*?)</script>", page, re.S)
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src '{content_hash(STYLE)}'; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}</style>'
    )
    text = f"{title}. A click or a drag moves the slices. {said}"
    canvas = f'<canvas id="3Dviewer" role="img" aria-label="{escape(title)}">'
    page = re.sub(r"<head>.*?</head>", lambda _: f"<head>{head}</head>", page, count=1, flags=re.S)
    page = page.replace("<body>", f"<body>\n<main><p>{escape(text)}</p>", 1).replace(
        "</body>", "</main></body>"
    )
    return page.replace('<canvas id="3Dviewer">', canvas, 1)
