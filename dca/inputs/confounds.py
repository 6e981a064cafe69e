"""Confounds that come with an image: a TSV with a header, or HCP's table of head movement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dca.errors import InputError
from dca.files import read_tsv
from dca.inputs.hcp import MOVEMENT
from dca.inputs.table import read_words

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def read_confounds(path: str | Path) -> pd.DataFrame:
    """Read the confounds of one run.

    Parameters
    ----------
    path : path
        A TSV with one row per volume, or HCP's ``Movement_Regressors.txt``: translations in mm,
        rotations in degrees, and the changes of both, which are left out (they follow from these).

    Returns
    -------
    DataFrame
        For HCP ``trans_x`` … ``rot_z``, in mm and radians.

    Raises
    ------
    InputError
        If it is missing or not such a table.
    """
    if Path(path).name != MOVEMENT:
        return read_tsv(path)
    try:
        values = np.array([list(map(float, words)) for words in read_words(path).values()])
    except ValueError as error:
        raise InputError(path, f"is not a table of numbers ({error})", "fetch it again") from error
    if values.ndim != 2 or values.shape[1] != 2 * len(PARAMETERS) or not np.isfinite(values).all():
        raise InputError(path, "does not have twelve columns of finite numbers", "fetch it again")
    motion = values[:, : len(PARAMETERS)]
    motion[:, 3:] = np.deg2rad(motion[:, 3:])
    return pd.DataFrame(motion, columns=list(PARAMETERS))


def count_rows(path: str | Path) -> int:
    """Count rows by lines: a thousand tables of a megabyte each would take long to parse.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as lines:
            rows = sum(1 for line in lines if line.strip())
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the file") from error
    return rows if Path(path).name == MOVEMENT else rows - 1
