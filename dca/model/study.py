"""Whether a model can be built for the runs of a study, known before any of its jobs starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dca.errors import InputError, ModelError
from dca.features import TR_TOLERANCE
from dca.inputs.entities import shortlist
from dca.inputs.run import Run, training_length
from dca.model.architecture import MIN_LENGTH, Architecture
from dca.model.card import card_architecture, read_card

_OTHER_MODEL = "leave them out by the filters of input, or train a model on such runs"


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


def check_trained(folder: str | Path, runs: Sequence[Run], crop: bool) -> None:
    """Check that a model trained elsewhere can encode the runs.

    Parameters
    ----------
    folder : path
        Of the model.
    runs : sequence of Run
    crop : bool
        Whether all runs are cut to the shortest.

    Raises
    ------
    ModelError
        If it is no model, or for another number of volumes or TR; it names the runs.
    """
    card = read_card(folder)
    length, tr = card_architecture(card, folder).length, card.get("tr")
    volumes = [training_length(runs)] * len(runs) if crop else [run.volumes for run in runs]
    longer = [f"{run.run_id} ({n})" for run, n in zip(runs, volumes, strict=True) if n != length]
    if longer:
        problem = f"is for series of {length} time points, unlike {len(longer)} run(s): {shortlist(longer)}"
        raise ModelError(folder, problem, _OTHER_MODEL)
    other = [f"{run.run_id} ({run.tr:g} s)" for run in runs if tr and abs(run.tr - tr) > TR_TOLERANCE * tr]
    if other:
        problem = f"is for a TR of {tr:g} s, unlike {len(other)} run(s): {shortlist(other)}"
        raise ModelError(folder, problem, _OTHER_MODEL)
