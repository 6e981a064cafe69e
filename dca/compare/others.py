"""GLM maps of other runs, to hold the map of an atom against data that had no part in choosing it."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel as nib
import numpy as np
from tqdm import tqdm

from dca.errors import InputError
from dca.files import atomic, read_json
from dca.signals import Shard

# Labels of BIDS for spaces of one subject or one scan, which do not lie on those of others.
INDIVIDUAL = {"T1w", "T2w", "anat", "bold", "func", "individual", "orig", "scanner", "device", "other"}

log = logging.getLogger(__name__)
_REMEDY = "delete it and run `compare` again"


class Reference(NamedTuple):
    """Mean z map of other runs at the voxels of one run.

    Attributes
    ----------
    z : ndarray, float64, shape (N,)
    runs : int
        How many went into it.
    """

    z: np.ndarray
    runs: int


def sum_maps(glm_folders: Iterable[str | Path], out: str | Path) -> None:
    """Add up the z maps of all runs, by space and event.

    Runs in a space of their own (not that of a template) cannot be laid on one another and are left out.
    Only runs on one grid are added up.

    Parameters
    ----------
    glm_folders : iterable of path
        From `dca.glm.fit_run`.
    out : path
        HDF5: for every space and grid a group with its affine, and in it for every event the sum of z
        (X×Y×Z) with the number of runs.

    Raises
    ------
    InputError
        If a summary or a map cannot be read.
    """
    with atomic(out) as temporary, h5py.File(temporary, "w") as file:
        for folder in tqdm([Path(f) for f in glm_folders], "z maps", unit="run", delay=2):
            summary = read_json(folder / "summary.json")
            if not is_common(summary["space"]):
                continue
            for event in summary["events"]:
                z, affine = _read(folder / f"{event}_z.nii.gz")
                group = file.require_group(grid_name(summary["space"], z.shape, affine))
                group.attrs["affine"] = affine
                total = group.require_dataset(event, z.shape, np.float64, fillvalue=0)
                total[...] += z
                total.attrs["runs"] = total.attrs.get("runs", 0) + 1
        log.info("z maps on %d grids of templates", len(file))


def reference(sums: str | Path, shard: Shard, event: str, own: np.ndarray) -> Reference | None:
    """Mean z map of one event over all other runs in the space of a run.

    Parameters
    ----------
    sums : path
        From `sum_maps`, this run's maps among them.
    shard : Shard
    event : str
    own : ndarray, shape (N,)
        This run's z.

    Returns
    -------
    Reference or None
        None if no other run has the event in this space.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        with h5py.File(sums, "r", locking=False) as file:
            place = f"{grid_name(shard.space, shard.shape, shard.affine)}/{event}"
            if place not in file:
                return None
            total = file[place]
            runs = int(total.attrs["runs"]) - 1
            z = total[...].ravel()[shard.voxel] - own
    except (OSError, KeyError) as error:
        raise InputError(sums, f"cannot be read ({error})", _REMEDY) from error
    return Reference(z / runs, runs) if runs else None


def is_common(space: str | None) -> bool:
    """Whether a space is that of a template, in which runs of different subjects lie on one another."""
    return space is not None and space not in INDIVIDUAL


def grid_name(space: str | None, shape: tuple[int, ...], affine: np.ndarray) -> str:
    """Name of a space and grid, the same for all runs that lie on one another voxel by voxel."""
    numbers = np.round([*shape, *np.ravel(affine)], 3) + 0.0  # no -0
    return f"{space}_{zlib.crc32(numbers.tobytes()):08x}"


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        image = nib.nifti1.load(path)
        return image.get_fdata(dtype=np.float32), image.affine
    except (OSError, EOFError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(path, f"cannot be read ({error})", "re-run `glm` for this run") from error
