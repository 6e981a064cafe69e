"""A map that mouse and keys move through in three planes, as a page of its own."""

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
STYLE = """
html { color-scheme: dark; }
body { background: #000; color: #fff; font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.2rem; margin: 0; }
p { margin: .4rem 0; max-width: 80ch; }
canvas { display: block; }
canvas:focus-visible { outline: 3px solid #7cbcf5; outline-offset: 2px; }
.hidden { display: none; }
"""
# nilearn keeps the viewer in a variable of its own, and brainsprite listens to the mouse alone.
KEPT = "var brain = brainsprite("
KEYS = """
const steps = {
  ArrowLeft: ["X", -1], ArrowRight: ["X", 1], ArrowDown: ["Y", -1], ArrowUp: ["Y", 1],
  PageDown: ["Z", -1], PageUp: ["Z", 1],
};
const canvas = document.getElementById("3Dviewer");
const tell = () => {
  const { coordinatesSlice: mm, voxelValue } = globalThis.brain;
  const place = ["X", "Y", "Z"].map(axis => `${axis.toLowerCase()} = ${Math.round(mm[axis])}`).join(", ");
  const value = Number.isNaN(voxelValue) ? "no value" : `value ${voxelValue.toFixed(2)}`;
  document.getElementById("place").textContent = `${place} mm: ${value}`.replaceAll("-", "−");
};
// The place to begin at may lie between voxels, and its nearest one beside what is shown.
const settle = () => {
  const { brain } = globalThis;
  const start = { ...brain.numSlice };
  const look = place => {
    Object.assign(brain.numSlice, place);
    brain.init();
    return Math.abs(brain.voxelValue);
  };
  let [best, strongest] = [start, look(start)];
  if (Number.isNaN(strongest)) {
    const inside = (axis, at) => Math.min(brain.nbSlice[axis] - 1, Math.max(0, at));
    const near = axis => [-1, 0, 1].map(by => inside(axis, start[axis] + by));
    for (const X of near("X")) for (const Y of near("Y")) for (const Z of near("Z")) {
      const value = look({ X, Y, Z });
      if (value > (Number.isNaN(strongest) ? 0 : strongest)) [best, strongest] = [{ X, Y, Z }, value];
    }
    look(best);
  }
  brain.drawAll();
};
const follow = event => {
  const step = steps[event.key];
  const { brain } = globalThis;
  if (!step || !brain || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const [axis, by] = step;
  const last = brain.nbSlice[axis] - 1;
  brain.numSlice[axis] = Math.min(last, Math.max(0, brain.numSlice[axis] + by * (event.shiftKey ? 5 : 1)));
  brain.init(); // reads the value and the place anew
  brain.drawAll();
  tell();
};
canvas.addEventListener("keydown", follow);
// jQuery's own listener was added before: the viewer is there.
addEventListener("load", () => setTimeout(() => {
  globalThis.brain.onclick = tell;
  settle();
  tell();
}));
"""
HINT = (
    "A click or a drag moves the slices. Keys do too, once the picture has the focus (Tab, or a click): "
    "← and → to the left and right, ↑ and ↓ to the front and back, Page Up and Page Down up and down; with "
    "Shift five voxels at a time."
)


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
    """Add heading, description, keys, and a policy that allows the page's own scripts and nothing else."""
    page = page.replace(KEPT, "globalThis.brain = brainsprite(", 1)
    page = page.replace("</body>", f"<script>{KEYS}</script></main></body>", 1)
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
    text = (
        f'<h1>{escape(title)}</h1><p id="hint">{escape(HINT)}</p><p>{escape(said)}</p>'
        '<p id="place" role="status"></p>'
    )
    canvas = (
        '<canvas id="3Dviewer" tabindex="0" role="application" aria-roledescription="slice viewer" '
        f'aria-label="{escape(title)}" aria-describedby="hint">'
    )
    page = re.sub(r"<head>.*?</head>", lambda _: f"<head>{head}</head>", page, count=1, flags=re.S)
    page = page.replace("<body>", f"<body>\n<main>{text}", 1)
    return page.replace('<canvas id="3Dviewer">', canvas, 1)
