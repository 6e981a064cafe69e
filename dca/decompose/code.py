"""Codes of one run in the group's dictionary, and the time courses that its atoms have there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dca.decompose import odl
from dca.decompose.atoms import time_courses
from dca.decompose.columns import normalise, open_source, read_columns, subtract_column
from dca.decompose.courses import regress_courses
from dca.decompose.dictionary import check_voxels, write_result
from dca.decompose.fit import density_warnings
from dca.decompose.group import read_group
from dca.errors import ModelError, ShardError
from dca.features import Features
from dca.provenance import package_version
from dca.signals import Shard


def code_run(
    source: str | Path,
    group_folder: str | Path,
    shard: str | Path,
    out_folder: str | Path,
    *,
    threads: int = 1,
) -> dict[str, Any]:
    """Encode one run, of training or not, in a group dictionary.

    The coefficients are sparse codes with the λ and the normalisation of the group. The time courses are
    those of the run itself: its signals regressed on the coefficients.

    Parameters
    ----------
    source : path
        The run's shard or features, whichever the group dictionary was learnt on.
    group_folder : path
        From `dca.decompose.learn_group`.
    shard : path
        Of the run.
    out_folder : path
        Receives ``dictionary.tsv``, ``coefficients.npz`` and ``summary.json``, atoms in the group's order.
    threads : int

    Returns
    -------
    dict
        The content of ``summary.json``.

    Raises
    ------
    InputError
        If the group dictionary cannot be read.
    ShardError
        If shard or features cannot be read, or are of another length.
    ModelError
        If another model made the features.
    """
    group = read_group(group_folder)
    with open_source(source, group.setup) as opened:
        if isinstance(opened, Features):
            if opened.model_sha256 != group.model_sha256:
                problem = "was learnt on features of another model"
                raise ModelError(group_folder, problem, "run `features` and `decompose` again")
            check_voxels(opened, shard)
        columns = read_columns(opened)
    if columns.matrix.shape[1] != len(group.dictionary):
        problem = (
            f"has columns of length {columns.matrix.shape[1]}, the group dictionary {len(group.dictionary)}"
        )
        raise ShardError(source, problem, "crop the run, or use one of the same length")
    if group.mean is not None:
        subtract_column(columns, group.mean)
    scaling = normalise(columns, group.normalise)
    codes = odl.encode(columns.matrix.T, group.dictionary, group.lam, threads=threads)
    with Shard(shard) as signals:
        courses = time_courses(regress_courses(signals, codes.matrix))
    K, N = codes.matrix.shape
    density = 100 * codes.matrix.nnz / (K * N)
    summary = {
        "run_id": columns.run_id,
        "setup": f"{group.setup}-group",
        "level": "group",
        "atoms": K,
        "normalise": group.normalise,
        "lambda": group.lam,
        "voxels": N,
        "length": len(group.dictionary),
        "flat_columns": int((~scaling.usable).sum()),
        "objective": codes.objective,
        "r2": codes.r2,
        "density_percent": density,
        "atoms_per_voxel": codes.matrix.nnz / N,
        "voxels_without_code": N - len(np.unique(codes.matrix.indices)),
        "unused_atoms": int((np.diff(codes.matrix.indptr) == 0).sum()),
        "repaired_codes": codes.repaired,
        "flat_atoms": int((~courses.any(axis=0)).sum()),
        "versions": {"spams": package_version("spams")},
        "warnings": density_warnings(density),
    }
    write_result(Path(out_folder), courses, codes.matrix, summary)
    return summary
