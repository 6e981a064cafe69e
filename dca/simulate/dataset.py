"""A whole simulated BIDS dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

import dca
from dca.errors import ConfigError
from dca.files import write_json, write_text, write_tsv
from dca.simulate import layout
from dca.simulate.paradigm import events_table
from dca.simulate.scenario import Scenario, generator
from dca.simulate.subject import simulate_subject

BIDS_VERSION = "1.10.0"
README = """Simulated task-fMRI
===================

Written by `dca simulate`: no human being was measured. A motor task (cue, left and right finger,
left and right toe, tongue) on a reduced MNI grid, with resting networks, noise, drift, head motion
and artefacts. Everything that was put in is in derivatives/truth.

Seed {seed}; {subjects} subjects; {scenario}.
"""


def simulate_dataset(
    folder: str | Path,
    subjects: int,
    seed: int,
    scenario: Scenario | None = None,
    *,
    progress: bool = True,
    **options: Any,
) -> list[Path]:
    """Write a BIDS dataset with known truth.

    Parameters
    ----------
    folder : path
        Where to write; made if need be.
    subjects : int
        How many.
    seed : int
        0 or more; the same seed and settings give the same bytes.
    scenario : Scenario, optional
        Default: the embedded demo.
    progress : bool
        Show progress bars on stderr.
    **options
        Settings of `Scenario` that differ from `scenario`, such as ``voxel_mm=10``.

    Returns
    -------
    list of Path
        The BOLD images.

    Raises
    ------
    ConfigError
        If a setting is unknown or not allowed, or runs are too short for the events.
    OutputError
        If the folder cannot be written.
    """
    scenario = (scenario or Scenario()).with_options(**options)
    write_dataset_files(folder, subjects, seed, scenario)
    for index in tqdm(range(subjects), "simulate", unit="subject", disable=not progress):
        simulate_subject(folder, index, seed, scenario, progress=progress)
    return layout.planned_runs(folder, subjects, scenario.runs)


def write_dataset_files(
    folder: str | Path, subjects: int, seed: int, scenario: Scenario | None = None
) -> None:
    """Write what belongs to no one subject: descriptions, participants, README.

    Raises
    ------
    ConfigError
        If a setting is not allowed, or runs are too short for the events.
    OutputError
        If the folder cannot be written.
    """
    folder, scenario = Path(folder), scenario or Scenario()
    if isinstance(subjects, bool) or not isinstance(subjects, int | np.integer) or subjects < 1:
        raise ConfigError("simulation subjects", f"is {subjects!r}", "give a whole number of 1 or more")
    generator(seed, "check")
    events_table(scenario, seed, 0, 0)  # too short a run fails before anything is written
    made_by = [{"Name": "dca", "Version": dca.__version__}]
    description = {"BIDSVersion": BIDS_VERSION, "License": "CC0", "GeneratedBy": made_by}
    write_json(
        folder / "dataset_description.json",
        {"Name": "Simulated motor task", "DatasetType": "raw", **description},
    )
    write_json(
        folder / layout.TRUTH / "dataset_description.json",
        {"Name": "Truth behind the simulated motor task", "DatasetType": "derivative", **description},
    )
    write_text(folder / "README", README.format(seed=seed, subjects=subjects, scenario=scenario))
    write_json(
        folder / f"task-{layout.TASK}_bold.json",
        {
            "TaskName": layout.TASK,
            "TaskDescription": "Move left or right fingers, left or right toes or the tongue, as cued.",
        },
    )
    labels = [f"sub-{label}" for label in layout.subject_labels(subjects)]
    write_tsv(
        folder / "participants.tsv",
        pd.DataFrame({"participant_id": labels}),
        {"participant_id": "Simulated subject."},
    )
