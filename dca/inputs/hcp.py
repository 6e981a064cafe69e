"""Input from the folders of the Human Connectome Project (S1200): runs that are preprocessed already."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dca.errors import ConfigError, InputError
from dca.inputs.candidate import Candidate
from dca.inputs.entities import LABEL, join, natural, shortlist
from dca.inputs.paths import absolute

log = logging.getLogger(__name__)

SPACE = "MNI152NLin6Asym"  # of MNINonLinear: FSL's template
RESULTS = Path("MNINonLinear", "Results")
RUN = re.compile(r"[rt]fMRI_([A-Za-z0-9]+)_(?:(7T)_)?(LR|RL|AP|PA)")
LABELS = ("sub", "task", "acq", "dir")  # of every run id; the folder of a run gives all but the first
MASKS = {"": "brainmask_fs.2.nii.gz", "7T": "brainmask_fs.1.60.nii.gz"}  # by acquisition: 2 and 1.6 mm
MOVEMENT, EVS = "Movement_Regressors.txt", "EVs"
NO_EVENTS = ("Sync.txt",)  # of the .txt files in EVs: the time of the scanner's first pulse
# The events of HCP's own first-level designs. EVs has others too, many of which are sums of these.
DESIGNS = {
    "EMOTION": ("fear", "neut"),
    "GAMBLING": ("loss", "win"),
    "LANGUAGE": ("math", "story"),
    "MOTOR": ("cue", "lf", "lh", "rf", "rh", "t"),
    "RELATIONAL": ("match", "relation"),
    "SOCIAL": ("mental", "rnd"),
    "WM": tuple(f"{load}bk_{kind}" for load in (0, 2) for kind in ("body", "faces", "places", "tools")),
}


def find(config: dict[str, Any], base: Path) -> list[Candidate]:
    """List the runs of ``<id>/MNINonLinear/Results/{t,r}fMRI_<TASK>_[7T_]<LR|RL|AP|PA>/``.

    Each has an image of that name, ``brainmask_fs.2.nii.gz``, ``Movement_Regressors.txt`` and, if it
    is a task, ``EVs/*.txt``. Which of these are its events, `input.evs` says, or else HCP's own
    design; of a task without one all are.

    Parameters
    ----------
    config : dict
        All settings; ``input.path``, ``input.evs`` and ``results`` are used here.
    base : Path
        Folder that relative paths start from.

    Raises
    ------
    ConfigError
        If the folder is not set or does not exist, or `input.evs` names a task that is not there.
    InputError
        If there are no such runs, or a subject's folder has a name that is no label.
    """
    root = _root(config, base)
    folders = _run_folders(root)
    if not folders:
        raise InputError(root, *_explain(root))
    chosen = {task: tuple(names) for task, names in config["input"]["evs"].items()}
    tasks = sorted({entities["task"] for entities in folders.values()})
    unknown = sorted(set(chosen) - set(tasks))
    if unknown:
        problem = f"names {shortlist(unknown)}, but the tasks are {shortlist(tasks, 20)}"
        raise ConfigError("input.evs", problem, "use one of these, as in tfMRI_<TASK>_LR")
    written = base / os.path.normpath(config["results"]) / "inputs"
    return [
        _candidate(folder, entities, ev_files(folder, entities["task"], chosen), written)
        for folder, entities in folders.items()
    ]


def ev_files(folder: Path, task: str, chosen: Mapping[str, tuple[str, ...]]) -> tuple[Path, ...]:
    """Files of the events of a run: as chosen, as in HCP's design, or all; none for resting state."""
    evs = folder / EVS
    names = chosen.get(task) or (DESIGNS.get(task) if folder.name.startswith("tfMRI_") else None)
    if names:
        return tuple(evs / f"{name}.txt" for name in names)
    return tuple(sorted(path for path in evs.glob("*.txt") if path.name not in NO_EVENTS))


def _root(config: dict[str, Any], base: Path) -> Path:
    given = config["input"]["path"]
    if given is None:
        raise ConfigError("input.path", "is not set", "name the folder that holds the subjects' folders")
    root = absolute(given, base)
    if not root.is_dir():
        raise ConfigError("input.path", f"{root} is not a folder", "check the path")
    return root


def _run_folders(root: Path) -> dict[Path, dict[str, str]]:
    """Folders of runs to their entities, in natural order of subject."""
    found: dict[Path, dict[str, str]] = {}
    bare: list[str] = []
    for subject in sorted(_subfolders(root), key=lambda folder: natural(folder.name)):
        if not (subject / RESULTS).is_dir():
            continue
        if not LABEL.fullmatch(subject.name):
            raise InputError(subject, "has a name that is no label", "rename it with letters and digits only")
        matched = [(run, RUN.fullmatch(run.name)) for run in sorted(_subfolders(subject / RESULTS))]
        runs = {
            run: dict(zip(LABELS, (subject.name, *match.groups()), strict=True))
            for run, match in matched
            if match
        }
        bare += [] if runs else [subject.name]
        found |= {run: {key: label for key, label in own.items() if label} for run, own in runs.items()}
    if found and bare:
        log.warning("%s: %d subject(s) without runs: %s", root, len(bare), shortlist(bare))
    return found


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()]
    except PermissionError as error:
        raise InputError(folder, "cannot be read (permission denied)", "change its permissions") from error


def _explain(root: Path) -> tuple[str, str]:
    """Say what a folder without runs is instead, and what to do."""
    missing = f"holds no runs <id>/{RESULTS}/tfMRI_<TASK>_<LR|RL>"
    if (root / RESULTS).is_dir() or (root.parent / RESULTS).is_dir():
        return (
            f"{missing}: it is the folder of one subject, or in it",
            "name the folder that holds all of them",
        )
    if (root / "dataset_description.json").is_file():
        return f"{missing}: it is a BIDS dataset", "set input.source: bids"
    if any(root.glob("*/unprocessed")):
        return (
            f"{missing}, only unprocessed images",
            "get the preprocessed packages (3T_tfMRI_<TASK>_preproc) too",
        )
    if any(root.glob(f"*/*/{RESULTS}")):
        return f"{missing}: they lie one folder further down", "unpack the packages of all into one folder"
    return missing, "check input.path, and unpack the packages 3T_tfMRI_<TASK>_preproc there"


def _candidate(folder: Path, entities: dict[str, str], evs: tuple[Path, ...], written: Path) -> Candidate:
    return Candidate(
        entities={**entities, "space": SPACE},
        bold=folder / f"{folder.name}.nii.gz",
        mask=folder / MASKS[entities.get("acq", "")],
        events_file=written / f"{join(entities, LABELS)}_events.tsv" if evs else None,
        evs=evs,
        confounds=folder / MOVEMENT,
        sidecars=None,
    )
