"""The table of rows, and what docs/validation.md shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scaling.tables import markdown, replace
from scipy.stats import bootstrap

from dca.files import read_tsv, write_text, write_tsv

from .score import SCORES
from .setups import SETUPS, VARIANTS
from .study import Key

KEY = ("scenario", "activation", "seed", "setup")
COLUMNS = {
    "scenario": "linear: one response everywhere, no artefacts; varied: docs/simulation.md, What a linear "
    "model cannot do",
    "activation": "Factor on the task's response",
    "seed": "Of the simulated study",
    "setup": "What was decomposed",
    "subjects": "Subjects scored, N",
    "atoms": "K, or components",
    "lambda": "Of columns of unit norm; n/a where there is none",
    **SCORES,
    "seconds": "Taken by decomposition and scores; training and encoding not counted where they were there",
    "revision": "Of the repository; + if files differed from it",
}
MEASURES = ("map_r", "excess_sd", "heldout_pcc")
ENOUGH = 5  # seeds below which an interval is only an indication
REFERENCES = ("raw", "raw, smoothed, λ 0.3")  # what is to be beaten, and the strongest control
RESAMPLES, LEAST = 10_000, 3  # values below which there is no interval
_ORDER = [*SETUPS, *VARIANTS]


def read(path: Path) -> pd.DataFrame:
    """Rows so far; none if there is no table."""
    return read_tsv(path) if path.is_file() else pd.DataFrame(columns=list(COLUMNS))


def missing(table: pd.DataFrame, key: Key, setups: Sequence[str]) -> list[str]:
    """Setups of a study that have no row yet."""
    same = (table["scenario"] == key.scenario) & (table["activation"] == key.activation)
    there = set(table.loc[same & (table["seed"] == key.seed), "setup"])
    return [setup for setup in setups if setup not in there]


def add(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row to the table, which is read anew: another process may have added some."""
    table = read(path)
    fresh = pd.DataFrame([row], columns=list(COLUMNS)).round(4)
    write_tsv(path, pd.concat([table, fresh]) if len(table) else fresh, COLUMNS)


def differences(table: pd.DataFrame, setup: str, reference: str, measure: str) -> np.ndarray:
    """Paired differences by study of the table, (n,)."""
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


def _difference(values: np.ndarray) -> str | None:
    """Mean and interval of paired differences."""
    if not len(values):
        return None
    low, high = interval(values)
    known = f"({low:+.3f} to {high:+.3f})" if np.isfinite(low) else "(too few for an interval)"
    return f"{values.mean():+.3f} {known}"


def means(table: pd.DataFrame) -> str:
    """Mean scores over seeds, by scenario, activation and setup."""
    groups = table.groupby(["scenario", "activation", "setup"], sort=False)
    found = groups[[*MEASURES, "pcc", "null_mean", "p05_percent"]].mean()
    found["seeds"], found["subjects"] = groups["seed"].nunique(), groups["subjects"].sum()
    found = found.reset_index()
    found["order"] = found["setup"].map({name: i for i, name in enumerate(_ORDER)})
    return markdown(
        found.sort_values(["scenario", "activation", "order"]),
        {
            "scenario": ("scenario", ""),
            "activation": ("task ×", "g"),
            "setup": ("setup", ""),
            "seeds": ("seeds", "d"),
            "subjects": ("N", "d"),
            "map_r": ("map r", ".3f"),
            "excess_sd": ("excess, SD", ".2f"),
            "heldout_pcc": ("held out", ".3f"),
            "pcc": ("PCC", ".3f"),
            "null_mean": ("its null", ".3f"),
            "p05_percent": ("p ≤ 0.05, %", ".0f"),
        },
    )


def contrasts(table: pd.DataFrame, references: Sequence[str]) -> str:
    """Paired differences of every setup from others, with their intervals."""
    rows = []
    for (scenario, activation), part in table.groupby(["scenario", "activation"], sort=True):
        for reference in references:
            for setup in [name for name in _ORDER if name in set(part["setup"]) and name != reference]:
                row: dict[str, Any] = {"scenario": scenario, "activation": activation}
                row |= {"setup": f"{setup} − {reference}"}
                for measure in MEASURES:
                    values = differences(part, setup, reference, measure)
                    row["seeds"], row[measure] = len(values), _difference(values)
                rows.append(row)
    headings = dict.fromkeys(("scenario", "setup", *MEASURES), "")
    columns = {name: (name.replace("_", " "), form) for name, form in headings.items()}
    columns["activation"], columns["seeds"] = ("task ×", "g"), ("seeds", "d")
    order = ["scenario", "activation", "setup", "seeds", *MEASURES]
    return markdown(pd.DataFrame(rows), {name: columns[name] for name in order})


def _few(study: tuple[str, float], part: pd.DataFrame) -> str:
    """Say how many seeds are missing from the rows of one scenario and strength."""
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
    return "" if said.endswith(":") else f"{said.rstrip(';')}.** No more than an indication."


def fill(path: Path, page: Path) -> None:
    """Write the tables into the page, between its markers."""
    table = read(path)
    text = page.read_text(encoding="utf-8")
    main, variants = (table[table["setup"].isin(names)] for names in (SETUPS, VARIANTS))
    note = "".join(map(_few, *zip(*main.groupby(["scenario", "activation"]), strict=True)))
    text = replace(text, "validation: means", means(main) + note)
    text = replace(text, "validation: differences", contrasts(main, REFERENCES))
    text = replace(text, "validation: variants", means(variants) if len(variants) else "None yet.")
    write_text(page, text)
