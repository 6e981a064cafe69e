"""How many voxels a run's shard will have, as far as that can be known before anything has run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dca.cluster.plan import VOXELS
from dca.inputs import Run, open_bold, open_mask
from dca.preprocess import backends
from dca.preprocess.template import template_mask
from dca.signals import Shard

BRAIN_MM3 = VOXELS * 2.0**3
"""Volume of a brain: what `VOXELS` of 2 mm fill."""


def voxels(runs: Sequence[Run], config: Mapping[str, Any]) -> tuple[int, str]:
    """Return the mean of in-mask voxels over runs, and what it rests on.

    Of each run the first that there is: its shard from an earlier run of the workflow, the mask that came
    with it (``preprocess.backend: none``), the mask of the template that it will be resampled to, the size
    of its voxels. A run whose image is not there, as the demo's before it is simulated, counts as `VOXELS`.

    Parameters
    ----------
    runs : sequence of Run
    config : mapping
        All settings.

    Returns
    -------
    count : int
    sources : str
        Such as ``2 shards, 66 voxel sizes``.

    Raises
    ------
    ShardError, ImageError
        If a file that is there cannot be used.
    """
    found = [_voxels(run, config) for run in runs]
    sources = Counter(source for _, source in found)
    said = ", ".join(f"{number} {source}{'s' * (number > 1)}" for source, number in sources.items())
    return round(sum(count for count, _ in found) / len(found)), said


def _voxels(run: Run, config: Mapping[str, Any]) -> tuple[float, str]:
    shard = Path(config["results"], "signals", f"{run.run_id}.h5")
    section = config["preprocess"]
    if shard.is_file():
        with Shard(shard) as file:
            return file.n_voxels, "shard"
    if not run.bold.is_file():
        return VOXELS, "assumption"
    image = open_bold(run.bold)
    if section["backend"] == "none" and run.mask and run.mask.is_file():
        return int(np.count_nonzero(np.asarray(open_mask(run.mask, image).dataobj))), "mask"
    if section["registration"] != "none":
        return _in_template(backends.load(section["backend"]).voxel_mm(section)), "template mask"
    return BRAIN_MM3 / float(np.prod(nib.affines.voxel_sizes(image.affine))), "voxel size"


@cache
def _in_template(voxel_mm: int) -> int:
    return int(np.count_nonzero(template_mask(voxel_mm).get_fdata()))
