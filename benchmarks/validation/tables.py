"""The table of rows, and what docs/validation.md shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scaling.tables import markdown, replace
from scipy.stats import bootstrap

from dca.errors import InputError
from dca.files import read_tsv, write_text, write_tsv

from .locks import locked
from .real import SCENARIO as REAL
from .score import COUNTS, SCORES
from .setups import MAPPED, SETUPS, VARIANTS, needs_others
from .study import SCENARIOS, Key

KEY = ("scenario", "activation", "seed", "setup")
COLUMNS = {
    "scenario": "linear: one response everywhere, no artefacts; varied: docs/simulation.md, What a linear "
    "model cannot do, with another number of subjects where it has one; response, adaptation, timing, "
    "artefacts: one of these alone; real: the visual localiser of docs/real-data.md",
    "activation": "Factor on the task's response",
    "seed": "Of the simulated study, and of models and dictionaries",
    "setup": "What was decomposed",
    "subjects": "Subjects scored, N",
    "atoms": "K, or components",
    "lambda": "Of columns of unit norm; n/a where there is none",
    **SCORES,
    **COUNTS,
    "revision": "Of the repository; + if files differed from it",
}
MAIN = ("linear", "varied")  # scenarios of the main table
MEASURES = ("map_r", "excess_sd", "heldout_pcc")
ENOUGH = 5  # seeds below which an interval is only an indication
BASE = "raw"  # what is to be beaten
# What is to beat it, and what has to be beaten as well, for the difference to be the network's.
CANDIDATES = ("recommended, dca", "recommended, dca-signal", "recommended, dca-signal, new subjects")
CONTROLS = ("raw, smoothed, λ 0.3", "raw, PCA, λ 0.3", "CanICA", "DictLearning", "mean of others")
VOID = " †"  # a time course that was learnt with the design, which all runs share: only its map counts
NONE = "None yet."
RESAMPLES, LEAST = 10_000, 3  # values below which there is no interval
_ORDER = [*SETUPS, *VARIANTS]
_LEARNT_WITH_DESIGN = {n for n, s in {**SETUPS, **VARIANTS}.items() if needs_others(s) or s.group}


def read(path: Path) -> pd.DataFrame:
    """Rows so far; none if there is no table."""
    return read_tsv(path) if path.is_file() else pd.DataFrame(columns=list(COLUMNS))


def missing(table: pd.DataFrame, key: Key, setups: Sequence[str]) -> list[str]:
    """Setups of a study that have no row yet."""
    same = (table["scenario"] == key.scenario) & (table["activation"] == key.activation)
    there = set(table.loc[same & (table["seed"] == key.seed), "setup"])
    return [setup for setup in setups if setup not in there]


def add(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row to the table, which is read anew: another process may have added some.

    Raises
    ------
    InputError
        If the table has other columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        table = read(path)
        if list(table) != list(COLUMNS):
            odd = ", ".join(sorted(set(table) ^ set(COLUMNS))) or "their order"
            raise InputError(path, f"has other columns ({odd})", "give another --out, or move it away")
        fresh = pd.DataFrame([row], columns=list(COLUMNS)).round(4)
        rows = pd.concat([table, fresh]) if len(table) else fresh
        write_tsv(path, rows.astype(dict.fromkeys(COUNTS, "Int64")), COLUMNS)


def differences(table: pd.DataFrame, setup: str, reference: str, measure: str) -> np.ndarray:
    """Paired differences by study of the table, (n,): of studies where both are known."""
    wide = table.pivot_table(index=["scenario", "activation", "seed"], columns="setup", values=measure)
    if not {setup, reference} <= set(wide):
        return np.empty(0)
    return (wide[setup] - wide[reference]).dropna().to_numpy()


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean; not known for fewer than three values."""
    if len(values) < LEAST:
        return np.nan, np.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=0)
    return tuple(found.confidence_interval)


def _difference(values: np.ndarray, seeds: int) -> str | None:
    """Mean and interval of paired differences; how many there are, if not one for each seed."""
    if not len(values):
        return None
    low, high = interval(values)
    known = f"({low:+.3f} to {high:+.3f})" if np.isfinite(low) else "(too few for an interval)"
    return f"{values.mean():+.3f} {known}" + _fewer(len(values), seeds)


def _fewer(known: int, seeds: int) -> str:
    return "" if known == seeds else f", n = {known}"


def _mean(form: str, values: pd.Series) -> str | None:
    """Mean of what is known; of how many seeds, if not of all."""
    known = values.dropna()
    return f"{known.mean():{form}}{_fewer(len(known), len(values))}" if len(known) else None


def means(table: pd.DataFrame) -> str:
    """Mean scores over seeds, by scenario, activation and setup."""
    groups = table.groupby(["scenario", "activation", "setup"], sort=False)
    forms = {"map_r": ".3f", "excess_sd": ".2f", "heldout_pcc": ".3f", "pcc": ".3f", "null_mean": ".3f"}
    forms["p05_percent"] = ".0f"
    found = pd.DataFrame({name: groups[name].agg(partial(_mean, form)) for name, form in forms.items()})
    found["seeds"], found["subjects"] = groups["seed"].nunique(), groups["subjects"].sum()
    counts = groups[list(COUNTS)].agg(partial(pd.Series.sum, skipna=False))  # a row without counts hides them
    found["scored"] = 100.0 * counts["scored"] / counts["events"]
    found = found.reset_index()
    void = found["setup"].isin(_LEARNT_WITH_DESIGN)
    for name in ("excess_sd", "heldout_pcc", "p05_percent"):
        found.loc[void & found[name].notna(), name] += VOID
    found["order"] = found["setup"].map({name: i for i, name in enumerate(_ORDER)})
    return markdown(
        found.sort_values(["scenario", "activation", "order"]),
        {
            "scenario": ("scenario", ""),
            "activation": ("task ×", "g"),
            "setup": ("setup", ""),
            "seeds": ("seeds", "d"),
            "subjects": ("N", "d"),
            "scored": ("scored, %", ".0f"),
            "map_r": ("map r", ""),
            "excess_sd": ("excess, SD", ""),
            "heldout_pcc": ("held out", ""),
            "pcc": ("PCC", ""),
            "null_mean": ("its null", ""),
            "p05_percent": ("p ≤ 0.05, %", ""),
        },
    )


def real_means(table: pd.DataFrame) -> str:
    """Mean scores of the real run over seeds, by setup; nobody knows the true maps."""
    groups = table.groupby("setup", sort=False)
    forms = {
        "excess_sd": "+.2f",
        "heldout_pcc": "+.3f",
        "heldout_r": "+.3f",
        "pcc": ".3f",
        "null_mean": ".3f",
    }
    forms["p05_percent"] = ".0f"
    found = pd.DataFrame({name: groups[name].agg(partial(_mean, form)) for name, form in forms.items()})
    for name in ("excess_sd", "heldout_pcc"):
        low, high = groups[name].min(), groups[name].max()
        found[name] += [f" ({a:{forms[name]}} to {b:{forms[name]}})" for a, b in zip(low, high, strict=True)]
    found["seeds"] = groups["seed"].nunique()
    found = found.loc[[name for name in _ORDER if name in found.index]].reset_index()
    headings = {"excess_sd": "excess, SD", "heldout_pcc": "held out", "heldout_r": "its map, held out"}
    headings |= {"pcc": "PCC", "null_mean": "its null", "p05_percent": "p ≤ 0.05, %"}
    return markdown(
        found,
        {"setup": ("setup", ""), "seeds": ("seeds", "d")} | {n: (h, "") for n, h in headings.items()},
    )


def contrasts(table: pd.DataFrame) -> str:
    """Paired differences, with their intervals: of every setup from raw, of candidates from controls."""
    pairs = [(name, BASE) for name in _ORDER if name != BASE]
    pairs += [(candidate, control) for candidate in CANDIDATES for control in CONTROLS]
    rows = []
    for (scenario, activation), part in table.groupby(["scenario", "activation"], sort=True):
        seeds = {name: set(own["seed"]) for name, own in part.groupby("setup")}
        for setup, other in [pair for pair in pairs if seeds.keys() >= set(pair)]:
            both = len(seeds[setup] & seeds[other])
            row: dict[str, Any] = {"scenario": scenario, "activation": activation, "seeds": both}
            row["setup"] = f"{setup} − {other}"
            for measure in MEASURES:
                void = measure != "map_r" and {setup, other} & _LEARNT_WITH_DESIGN
                found = _difference(differences(part, setup, other, measure), both)
                row[measure] = found + VOID if found and void else found
            rows.append(row)
    columns = {"scenario": ("scenario", ""), "activation": ("task ×", "g"), "setup": ("setup", "")}
    columns |= {"seeds": ("seeds", "d")} | {name: (name.replace("_", " "), "") for name in MEASURES}
    return markdown(pd.DataFrame(rows), columns)


def scenario_map(table: pd.DataFrame) -> str:
    """Map r by scenario and setup, where the scenarios differ in one switch: means over the same seeds."""
    strength = table["activation"].min()
    rows = table[(table["activation"] == strength) & table["setup"].isin(MAPPED)]
    each = rows.pivot_table(index="seed", columns=["scenario", "setup"], values="map_r").dropna()
    scenarios = [name for name in SCENARIOS if name in set(rows["scenario"])]
    found = each.mean().unstack().reindex(index=scenarios, columns=MAPPED)
    headings = {name: (name, ".2f") for name in MAPPED}
    seeds = ", ".join(map(str, each.index))
    return markdown(found.reset_index(), {"scenario": ("scenario", "")} | headings) + (
        f"\n\nMap r at task × {strength:g}, means over seeds {seeds}."
    )


def _few(study: tuple[str, float], part: pd.DataFrame) -> str:
    """Say what the rows of one scenario and strength lack: seeds, setups, one simulator for all."""
    done = part.groupby("setup")["seed"].nunique()
    said = f"\n\n**{study[0]} at task × {study[1]:g}:"
    if done.min() < ENOUGH:
        fewest = " and ".join(done.index[done == done.min()])
        said += (
            f" only {done.min()} of {ENOUGH} seeds are done for {fewest}, at most {done.max()} for others;"
        )
    absent = [name for name in SETUPS if name not in done]
    if absent:
        said += f" there is no row yet for {', '.join(absent)};"
    mixed = [str(seed) for seed, own in part.groupby("seed") if own["revision"].nunique() > 1]
    if mixed:
        said += f" rows of seed {', '.join(mixed)} are of several revisions, and perhaps of different data;"
    return "" if said.endswith(":") else f"{said.rstrip(';')}.** No more than an indication."


def fill(path: Path, page: Path) -> None:
    """Write the tables into the page, between its markers.

    Raises
    ------
    InputError
        If the table has setups that nobody knows, or the page lacks a marker.
    """
    table = read(path)
    unknown = sorted(set(table["setup"]) - set(_ORDER))
    if unknown:
        raise InputError(
            path,
            f"has rows of unknown setups: {', '.join(unknown)}",
            "rename them as in benchmarks/validation/setups.py, or delete them",
        )
    real, simulated = table[table["scenario"] == REAL], table[table["scenario"] != REAL]
    both = simulated[simulated["scenario"].isin(MAIN)]
    main, variants = (both[both["setup"].isin(names)] for names in (SETUPS, VARIANTS))
    notes = [_few(study, part) for study, part in main.groupby(["scenario", "activation"])]
    tables = {
        "means": means(main) + "".join(notes) if len(main) else NONE,
        "differences": contrasts(main) if len(main) else NONE,
        "map": scenario_map(simulated) if len(simulated) > len(both) else NONE,
        "variants": means(variants) if len(variants) else NONE,
        "real": real_means(real) if len(real) else NONE,
    }
    text = page.read_text(encoding="utf-8")
    for name, content in tables.items():
        try:
            text = replace(text, f"validation: {name}", content)
        except ValueError as error:
            raise InputError(page, str(error), f"add <!-- validation: {name} --> and its end") from error
    write_text(page, text)
