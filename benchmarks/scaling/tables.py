"""Writes the tables into docs/scaling.md, between its markers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dca.errors import InputError
from dca.files import write_text

from .cost import ENOUGH, WORKERS
from .rows import Results

Render = Callable[[pd.DataFrame], str]


def markdown(table: pd.DataFrame, columns: Mapping[str, tuple[str, str]]) -> str:
    """Render columns of a table, each under a heading and in a number format; what is missing as “–”."""
    lines = [
        "| " + " | ".join(heading for heading, _ in columns.values()) + " |",
        "|---" * len(columns) + "|",
    ]
    lines += [
        "| " + " | ".join(cell(row[name], form) for name, (_, form) in columns.items()) + " |"
        for row in table.to_dict("records")
    ]
    return "\n".join(lines)


def cell(value: Any, form: str) -> str:
    """Render one value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return format(value, form)


def replace(text: str, name: str, content: str) -> str:
    """Put content between the markers of a name.

    Raises
    ------
    ValueError
        If they are not there.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if begin not in text or end not in text:
        raise ValueError(f"there are no markers for {name}")
    before, rest = text.split(begin, 1)
    return before + begin + content + "\n" + end + rest.split(end, 1)[1]


def provenance(table: pd.DataFrame) -> str:
    """Say on which machine, when and under what load a table was made."""
    first, last = table.iloc[0], table.iloc[-1]
    loads = table["load"]
    return (
        f"{first['processor']}, {first['cores']} cores; {first['time']} to {last['time']} UTC, revision "
        f"{first['revision']}; load {loads.min():.1f}–{loads.max():.1f}."
    )


def spread(form: str, unit: str = "") -> dict[str, tuple[str, str]]:
    """Columns of a row's spread."""
    return {name: (name + unit, form) for name in ("min", "median", "max")}


def _exchange(table: pd.DataFrame) -> str:
    columns = {"way": ("", ""), "workers": ("workers", ""), "servers": ("servers", "")}
    return markdown(table, columns | spread(".1f") | {"ratio": ("÷ pair_worlds.py", ".2f")})


def _scaling(table: pd.DataFrame) -> str:
    ours = table[table["workers"] > 0]
    wide = ours.pivot_table(index=["servers", "overlap", "workers"], columns="compute_s", values="speedup")
    stale = ours.groupby(["servers", "overlap", "workers"])["staleness"].first()
    wide = wide.assign(staleness=stale).reset_index().sort_values(["servers", "overlap", "workers"])
    wide["overlap"] = ["yes" if own else "no" for own in wide["overlap"]]
    pauses = {pause: (f"{pause:g} s", ".2f") for pause in sorted(table["compute_s"].unique())}
    columns = {name: (name, "") for name in ("servers", "overlap", "workers")}
    return markdown(wide, columns | pauses | {"staleness": ("staleness", ".1f")})


def _memory(table: pd.DataFrame) -> str:
    names = {name: (name, "") for name in ("workers", "servers", "processes")}
    return markdown(table, names | {"memory_gb": ("memory, GB", ".2f")})


def _real(table: pd.DataFrame) -> str:
    table = table.assign(overlap=["yes" if own else "no" for own in table["overlap"]])
    columns = {name: (name, "") for name in ("mode", "workers", "overlap", "batch")}
    return markdown(table, columns | spread(".1f") | {"speedup": ("÷ single", ".2f")})


def _equal_loss(table: pd.DataFrame) -> str:
    table = table.assign(warmup=["yes" if own else "no" for own in table["warmup"]])
    columns = {
        "mode": ("mode", ""), "workers": ("workers", ""), "warmup": ("warm-up", ""),
        "target": ("target", ""), "reached": ("reached", ""),
        **spread(".1f", ", s"), "speedup": ("speed-up", ".2f"), "updates_ratio": ("updates ÷ single", ".2f"),
        "rows_ratio": ("rows ÷ single", ".2f"), "final_ratio": ("final loss ÷ single", ".3f"),
        "staleness": ("updates by staleness", ""),
    }  # fmt: skip
    table = table.assign(staleness=[_plain(own) for own in table["staleness"]])
    return markdown(table, columns)


def _plain(histogram: str) -> str:
    return histogram.strip("{}").replace('"', "") or "–"


def _step(table: pd.DataFrame) -> str:
    columns = {"what": ("", ""), "threads": ("threads", ""), **spread(".1f", ", GFLOP/s")}
    ratios = {"of_product": ("÷ TensorFlow's product", ".2f"), "of_torch": ("÷ PyTorch's step", ".2f")}
    measured = table.assign(what=[
        what if repeats else f"{what} (not measured)"
        for what, repeats in zip(table["what"], table["repeats"], strict=True)
    ])  # fmt: skip
    return markdown(measured, columns | ratios)


def _fit(table: pd.DataFrame) -> str:
    return markdown(
        table.assign(**{name: 1000 * table[name] for name in ("exchange_s", "shared_s", "update_s")}),
        {
            "servers": ("servers", ""), "exchange_s": ("e, ms", ".1f"), "shared_s": ("d, ms", ".1f"),
            "update_s": ("s, ms", ".1f"), "rows": ("rows", ""), "worst_error": ("largest error", ".0%"),
        },
    )  # fmt: skip


def _model(table: pd.DataFrame) -> str:
    """Of each cluster and step what the paper's setting gives, and the gentlest one that is enough."""
    chosen = []
    for _, group in table.groupby(["cluster", "compute_s"], sort=False):
        plain = group[group["compression"] == "none"].sort_values(["n", "servers"])
        enough = plain[plain["speedup"] >= ENOUGH * WORKERS]
        best = plain.loc[[plain["speedup"].idxmax()]]
        paper = plain[(plain["n"] == 1) & (plain["servers"] == 2)]
        chosen.append(pd.concat([paper, enough.head(1) if len(enough) else best]).drop_duplicates())
    rows = pd.concat(chosen)
    rows = rows.assign(**{name: 1000 * rows[name] for name in ("exchange_s", "shared_s", "compute_s")})
    return markdown(rows, {
        "cluster": ("", ""), "compute_s": ("c, ms", ".4g"), "servers": ("servers", ""),
        "n": ("n_push = n_fetch", ""), "exchange_s": ("e, ms", ".1f"), "shared_s": ("d, ms", ".1f"),
        "saturated_from": ("servers limit from", ".1f"), "speedup": ("speed-up of 13", ".1f"),
    })  # fmt: skip


TABLES: dict[str, Render] = {
    "exchange": _exchange, "scaling": _scaling, "memory": _memory, "real": _real,
    "equal-loss": _equal_loss, "step": _step, "fit": _fit, "model": _model,
}  # fmt: skip


def fill(results: Results, page: Path, filled: Path) -> None:
    """Write a page with every table that there is, and say which are missing."""
    text = page.read_text(encoding="utf-8")
    for name, render in TABLES.items():
        try:
            table = results.read(name)
        except InputError:
            print(f"{name}: not measured")
            continue
        text = replace(text, name, f"{render(table)}\n\n{provenance(table)}")
    write_text(filled, text)
