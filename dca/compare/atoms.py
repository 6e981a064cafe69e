"""p of every atom, each against the same surrogate designs: alone, and among all atoms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dca.compare.nulls import Null, p_values
from dca.compare.pcc import standardise

ATOM_COLUMNS = {
    "run_id": "Run",
    "subject": "Subject label",
    "split": "train or validation: whether the model saw this subject",
    "setup": "What was decomposed, as in the table of the best atoms",
    "event": "Event type",
    "atom": "Column of the dictionary, from 0",
    "pcc": "Pearson correlation of the atom and the event's regressor",
    "p": "p-value of this atom's absolute correlation among those with surrogate designs, uncorrected: of "
    "400 atoms 20 have 0.05 or less by chance. The larger of shifts and phases, if orders are too few",
    "p_corrected": "The same corrected over the atoms: among the best correlations of all atoms with "
    "surrogate designs. That of the best atom is the p of the event",
}


def judge_atoms(nulls: Mapping[str, Null], dictionary: np.ndarray) -> pd.DataFrame:
    """Hold every atom of a dictionary against every event.

    Parameters
    ----------
    nulls : mapping of str to Null
        By event.
    dictionary : ndarray, shape (T, K)

    Returns
    -------
    DataFrame
        One row per event and atom: the columns of `ATOM_COLUMNS` from ``event`` on.
    """
    unit = standardise(dictionary)
    atoms = np.arange(unit.shape[1])
    tables = []
    for event, null in nulls.items():
        pcc = null.truth @ unit
        alone, among = np.zeros(len(atoms)), np.zeros(len(atoms))
        for kind in null.surrogates:
            drawn = np.abs(null.regressors(kind).T @ unit)
            alone = np.maximum(alone, p_values(np.abs(pcc), drawn))
            among = np.maximum(among, p_values(np.abs(pcc), drawn.max(axis=1, keepdims=True)))
        row = {"event": event, "atom": atoms, "pcc": pcc, "p": alone, "p_corrected": among}
        tables.append(pd.DataFrame(row))
    return pd.concat(tables, ignore_index=True)
