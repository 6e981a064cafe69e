"""How well the model reconstructs single voxels: the best, the median and the worst of a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nibabel.affines import apply_affine

from dca.compare.pcc import standardise
from dca.features import reconstruct
from dca.files import write_tsv
from dca.signals import Shard

SAMPLE = 1024  # voxels: enough to know what is usual, few enough to cost seconds in the largest run
EXAMPLES = ("best", "median", "worst")


def write_examples(
    shard: str | Path,
    model_folder: str | Path,
    out: str | Path,
    *,
    sample: int = SAMPLE,
    threads: int | None = None,
) -> None:
    """Write signal and reconstruction of three voxels of a run.

    They are the best, the median and the worst of a random sample by the correlation of the two.

    Parameters
    ----------
    shard : path
        Of `dca.signals`.
    model_folder : path
        Of a trained model.
    out : path
        Usually ``results/features/<run_id>_reconstruction.tsv``: T rows, ``time_s``, and ``best``,
        ``best_model`` and so on, normalised as in the shard. The sidecar has each voxel's ``r`` and
        ``position_mm``, and how many ``voxels`` the sample has.
    sample : int
        Voxels: the first rows of the shard, which are in random order.
    threads : int, optional
        Cores to use; all by default.

    Raises
    ------
    ModelError
        If the model cannot be used, or is for another length, TR or normalisation.
    ShardError
        If the shard cannot be read.
    """
    from dca.model.backend import set_threads

    set_threads(threads)
    with Shard(shard) as source:
        count = min(sample, source.n_voxels)
        signals = source.read(0, count)
        models = np.concatenate([block for _, block in reconstruct(source, model_folder, rows=count)])
        likeness = np.einsum("ij,ij->j", standardise(signals.T), standardise(models.T))
        order = np.argsort(-likeness, kind="stable")
        rows = dict(zip(EXAMPLES, (order[0], order[count // 2], order[-1]), strict=True))
        columns: dict[str, str | dict[str, Any]] = {"time_s": "Time of the volume in seconds"}
        table = {"time_s": source.tr * np.arange(source.length)}
        for name, row in rows.items():
            place = apply_affine(source.affine, np.unravel_index(source.voxel[row], source.shape))
            table |= {name: signals[row], f"{name}_model": models[row]}
            columns[name] = {
                "Description": f"Signal of the voxel whose reconstruction is the {name} of a random sample",
                "r": round(float(likeness[row]), 4),
                "position_mm": [round(float(mm), 1) for mm in place],
                "voxels": count,
            }
            columns[f"{name}_model"] = "The model's reconstruction of it"
        write_tsv(out, pd.DataFrame(table).round(5), columns)
