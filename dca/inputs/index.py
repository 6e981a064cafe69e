"""From settings to runs: find, filter, name, inspect, compare, split."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dca.errors import ConfigError, InputError
from dca.inputs import bids, demo, hcp, manifest
from dca.inputs.candidate import Candidate
from dca.inputs.entities import ALWAYS, natural, run_ids, shortlist
from dca.inputs.inspection import Facts, inspect
from dca.inputs.paths import absolute
from dca.inputs.remote import address
from dca.inputs.run import SPLITS, Run
from dca.inputs.select import exclude, select
from dca.inputs.split import split_runs

log = logging.getLogger(__name__)

SOURCES = {"bids": bids.find, "demo": demo.find, "hcp": hcp.find, "manifest": manifest.find}
LABELS = {"hcp": hcp.LABELS}  # of every run id, where the names of a source's files ask for others
SAME_TR = 1e-3  # relative; beyond rounding, samples of two runs mean different times


def list_runs(config: dict[str, Any], base: str | Path) -> list[Run]:
    """List the runs of a study.

    Parameters
    ----------
    config : dict
        All settings, as `dca.config.resolve` gives them.
    base : path
        Folder that relative paths start from: the working directory of the study.

    Returns
    -------
    list of Run
        Sorted by run id.

    Raises
    ------
    ConfigError, InputError, ImageError, EventsError
        If the input cannot be used as the settings ask.
    """
    found = find_candidates(config, base)
    return make_runs(config, found, inspect_all(config, exclude(found, config), found, {}))


def find_candidates(config: dict[str, Any], base: str | Path) -> dict[str, Candidate]:
    """Map run ids to images, after filtering, without opening any image.

    Raises
    ------
    ConfigError, InputError
        If the dataset or manifest is not usable, a filter matches nothing, or labels are not unique.
    """
    source = config["input"]["source"]
    found = SOURCES[source](config, absolute(base, Path.cwd()))
    where = _where(config)
    found = select(found, config, where)
    ids = run_ids([candidate.entities for candidate in found], LABELS.get(source, ALWAYS))
    run_id, number = Counter(ids).most_common(1)[0]
    if number > 1:
        alike = [
            address(candidate.bold) for name, candidate in zip(ids, found, strict=True) if name == run_id
        ]
        raise InputError(
            where,
            f"{number} images have the same labels ({run_id}): {shortlist(alike)}",
            "tell them apart by a `run` column (manifest) or label, or keep one of them",
        )
    return dict(sorted(zip(ids, found, strict=True), key=lambda item: natural(item[0])))


def inspect_all(
    config: dict[str, Any], kept: Sequence[str], found: Mapping[str, Candidate], known: Mapping[str, Facts]
) -> dict[str, Facts]:
    """Inspect those of the kept runs whose facts are not known yet, and warn once per kind of oddity."""
    if config["input"]["source"] == "demo":
        return dict.fromkeys(kept, demo.FACTS)
    facts, notes = dict(known), defaultdict(list)
    for run_id in tqdm(kept, desc="inputs", unit="run", leave=False, disable=None):
        if run_id not in known:
            facts[run_id], own = inspect(found[run_id])
            for kind, text in own.items():
                notes[kind].append(text)
    for texts in notes.values():
        log.warning("%s%s", texts[0], f" (so do {len(texts) - 1} more runs)" if len(texts) > 1 else "")
    return {run_id: facts[run_id] for run_id in kept}


def make_runs(
    config: dict[str, Any],
    found: Mapping[str, Candidate],
    facts: Mapping[str, Facts],
    trained_on: Collection[str] | None = None,
) -> list[Run]:
    """Check that runs go together, and split them into training and validation.

    With a model that is kept, `trained_on` names the runs that it was trained on; only these count as such.
    Runs without facts are left out after the split, so that it stays as it is for all others.

    Raises
    ------
    InputError
        If repetition times differ, or lengths do and ``signals.length`` is not ``crop``.
    ConfigError
        If the split is impossible, or none is left to train with.
    """
    where = _where(config)
    _check_subjects({run_id: found[run_id] for run_id in facts}, where)
    _check_tr(facts, where)
    if config["signals"]["length"] != "crop":
        _check_length(facts, where)
    if trained_on is None:
        splits = split_runs(list(found.values()), config["input"]["validation"], config["seed"], where)
    else:
        train, validation = SPLITS
        splits = [train if run_id in trained_on else validation for run_id in found]
    runs = [
        _run(run_id, candidate, facts[run_id], split)
        for (run_id, candidate), split in zip(found.items(), splits, strict=True)
        if run_id in facts
    ]
    if trained_on is None and SPLITS[0] in splits and not any(run.split == SPLITS[0] for run in runs):
        raise ConfigError(
            "input.exclude", "leaves no run for training", "exclude fewer, or set input.validation"
        )
    return runs


def _where(config: dict[str, Any]) -> str:
    given = config["input"]
    return given["derivatives"] or given["path"] or "the demo"


PAGES = ("index", "training")  # of the report, beside one per subject


def _check_subjects(found: Mapping[str, Candidate], where: str) -> None:
    taken = [c.entities["sub"] for c in found.values() if c.entities["sub"].casefold() in PAGES]
    if taken:
        problem = f"a subject is called {taken[0]}, as is a page of the report"
        raise InputError(where, problem, "give the subject another label")


def _check_tr(facts: Mapping[str, Facts], where: str) -> None:
    values = [fact.tr for fact in facts.values()]
    if max(values) - min(values) > SAME_TR * max(values):
        groups = _groups({run_id: f"{fact.tr:.4g} s" for run_id, fact in facts.items()})
        raise InputError(
            where,
            f"the runs have different repetition times: {groups}",
            "choose runs of one TR, e.g. by input.tasks or input.sessions",
        )


def _check_length(facts: Mapping[str, Facts], where: str) -> None:
    if len({fact.volumes for fact in facts.values()}) > 1:
        groups = _groups({run_id: f"{fact.volumes} volumes" for run_id, fact in facts.items()})
        raise InputError(
            where,
            f"the runs have different lengths: {groups}",
            "set signals.length: crop to cut all to the shortest, or choose runs by the filters of input",
        )


def _groups(values: Mapping[str, str]) -> str:
    groups: dict[str, list[str]] = defaultdict(list)
    for run_id, value in values.items():
        groups[value].append(run_id)
    # The smallest group first: it names the odd ones out.
    ordered: Sequence[tuple[str, list[str]]] = sorted(groups.items(), key=lambda item: len(item[1]))
    return "; ".join(f"{value} in {len(ids)} run(s) ({shortlist(ids)})" for value, ids in ordered)


def _run(run_id: str, candidate: Candidate, facts: Facts, split: str) -> Run:
    entities = candidate.entities
    return Run(
        run_id=run_id,
        subject=entities["sub"],
        session=entities.get("ses"),
        task=entities.get("task"),
        run=entities.get("run"),
        split=split,
        tr=facts.tr,
        volumes=facts.volumes,
        bold=candidate.bold,
        mask=candidate.mask,
        events=facts.events,
        events_file=candidate.events_file,
        confounds=candidate.confounds,
        space=entities.get("space"),
    )
