"""Whether a model can be built for the runs of a study, known before any of its jobs starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dca.errors import InputError
from dca.inputs.entities import shortlist
from dca.inputs.run import Run, training_length
from dca.model.architecture import MIN_LENGTH, Architecture


def check_runs(section: Mapping[str, Any], runs: Sequence[Run], where: str) -> None:
    """Check that the settings make a network for the length of the runs.

    Parameters
    ----------
    section : mapping
        As for `Architecture.from_config`.
    runs : sequence of Run
    where : str
        Name of the input, for messages.

    Raises
    ------
    InputError
        If runs are too short for any model; it names them.
    ConfigError
        If the settings make no network.
    """
    short = [f"{run.run_id} ({run.volumes})" for run in runs if run.volumes < MIN_LENGTH]
    if short:
        raise InputError(
            where,
            f"{len(short)} run(s) have fewer than the {MIN_LENGTH} volumes that the model needs: "
            f"{shortlist(short)}",
            "leave them out by the filters of input",
        )
    Architecture.from_config(section, training_length(runs))
