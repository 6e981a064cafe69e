"""Maps of the group: each event's z over all runs that lie on one another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np

from dca.errors import InputError
from dca.preprocess.template import template_on
from dca.report.gallery import Gallery, Shown
from dca.report.page import anchor
from dca.report.results import Folder
from dca.report.scales import z_scale
from dca.report.slices import Volume, draw_map, in_mm, peak

SUMS = "compare/z_sums.h5"


@dataclass(frozen=True)
class GroupMap:
    """One event: over how many runs, the place of the strongest voxel in mm, and the picture."""

    event: str
    runs: int
    place: tuple[int, int, int]
    picture: Shown | None


def show_group_maps(folder: Folder, gallery: Gallery) -> list[GroupMap]:
    """Draw every event's z over all runs; none where runs have spaces of their own.

    Of several spaces and grids that with the most runs is shown. The sum of z over the root of the number of
    runs (Stouffer) is a z of these runs, with fixed effects.

    Parameters
    ----------
    folder : Folder
        Of the results.
    gallery : Gallery
    """
    found = folder.read(SUMS, _read)
    if not found:
        return []
    scale = z_scale([volume.data for volume, _ in found.values()])
    first = next(iter(found.values()))[0]
    brain = Volume(template_on(first.data.shape, first.affine).astype(np.float32), first.affine)
    shown = []
    for event, (volume, runs) in found.items():
        cut = peak(volume)
        alt = f"z of {event} over {runs} runs on slices through its strongest voxel."
        picture = draw_map(volume, brain, brain, cut, scale, alt)
        name = f"group_event-{anchor(event)}_z"
        shown.append(GroupMap(event, runs, in_mm(volume, cut), gallery.add(name, picture, data=SUMS)))
    return shown


def _read(path: Path) -> dict[str, tuple[Volume, int]]:
    """Event to z over runs, and their number, of the grid with the most maps; axes as of all volumes here."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            grids = [_grid(group) for group in file.values() if "affine" in group.attrs]
    except (OSError, KeyError) as error:
        raise InputError(path, f"cannot be read ({error})", "delete it and run `compare` again") from error
    return max(grids, key=lambda grid: sum(runs for _, runs in grid.values()), default={})


def _grid(group: h5py.Group) -> dict[str, tuple[Volume, int]]:
    found = {}
    for event, total in group.items():
        if isinstance(total, h5py.Dataset):
            runs = int(total.attrs["runs"])
            z = (total[...] / np.sqrt(runs)).astype(np.float32)
            image = nib.as_closest_canonical(nib.Nifti1Image(z, group.attrs["affine"]))
            found[event] = Volume(np.asarray(image.dataobj), np.asarray(image.affine)), runs
    return found
