"""What the paper says of its Figs 5 to 7, beside what was measured here."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

# Makkie et al., 2019. Its text gives few numbers; none is read off a figure here.
PAPER_WORKERS, PAPER_SPEEDUP = 13, 7  # Fig. 5: "almost seven times"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Statement:
    """One thing that the paper says.

    Attributes
    ----------
    figure, what : str
        Of the paper, and what is compared there.
    paper, here : str
        The paper's words, and the same of this project's benchmarks.
    """

    figure: str
    what: str
    paper: str
    here: str


def statements(
    scaling: pd.DataFrame | None, equal_loss: pd.DataFrame | None, step: pd.DataFrame | None
) -> list[Statement]:
    """Put the paper's words beside the tables of ``benchmarks/scaling.py``; each may be missing.

    Parameters
    ----------
    scaling : DataFrame or None
        Columns ``workers``, ``overlap``, ``compute_s``, ``speedup``.
    equal_loss : DataFrame or None
        Columns ``mode``, ``workers``, ``reached``, ``speedup``.
    step : DataFrame or None
        Columns ``what``, ``threads``, ``median``.
    """
    return [
        Statement(
            "Fig. 5",
            f"{PAPER_WORKERS} workers against one process",
            "almost seven times as fast",
            _speed_ups(scaling, PAPER_WORKERS),
        ),
        Statement(
            "Fig. 5",
            "2 workers against one process",
            "one process “obviously outperforms” two workers",
            _speed_ups(scaling, 2),
        ),
        Statement(
            "Fig. 6",
            "4 workers against 2, training time",
            "less by “almost 51 hours” (of how many the text does not say)",
            _to_equal_loss(equal_loss, (2, 4)),
        ),
        Statement(
            "Fig. 6",
            "8 workers against 4, training time",
            "“this increased rate does not hold”",
            _to_equal_loss(equal_loss, (8,)),
        ),
        Statement(
            "Fig. 7",
            "4, 8, 16 and 32 CPU cores for each of 4 workers with one GPU",
            "more cores “would not benefit the training speed significantly”",
            _threads(step),
        ),
    ]


def _speed_ups(scaling: pd.DataFrame | None, workers: int) -> str:
    """The range over all lengths of a step, for each way of exchange."""
    if scaling is None:
        return NOT_MEASURED
    parts = []
    for overlap in (False, True):
        found = scaling.loc[(scaling["workers"] == workers) & (scaling["overlap"] == overlap), "speedup"]
        if len(found):
            way = "with" if overlap else "without"
            parts.append(f"{_range(found, 2)} {way} overlap")
    return f"times as fast: {', '.join(parts)}" if parts else NOT_MEASURED


def _to_equal_loss(equal_loss: pd.DataFrame | None, workers: tuple[int, ...]) -> str:
    """The time that so many workers need, over that of one process."""
    parts = []
    for count in workers:
        found = pd.DataFrame() if equal_loss is None else _downpour(equal_loss, count)
        if not len(found):
            parts.append(f"{count} workers: {NOT_MEASURED}")
            continue
        known = 1 / found["speedup"].dropna()
        times = f"{_range(known, 1)} × the time of one process" if len(known) else "not reached"
        reached = found["reached"].astype(str).str.split(" of ", expand=True).astype(int).sum().tolist()
        parts.append(f"{count} workers: {times} ({reached[0]} of {reached[1]} trainings got there)")
    return "; ".join(parts)


def _range(values: pd.Series, digits: int) -> str:
    low, high = f"{values.min():.{digits}f}", f"{values.max():.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _downpour(equal_loss: pd.DataFrame, workers: int) -> pd.DataFrame:
    return equal_loss[(equal_loss["mode"] == "downpour") & (equal_loss["workers"] == workers)]


def _threads(step: pd.DataFrame | None) -> str:
    """How much faster a step is with the most threads than with the fewest."""
    rows = pd.DataFrame() if step is None else step[step["what"] == "dca step"].sort_values("threads")
    if len(rows) < 2:
        return NOT_MEASURED
    first, last = rows.iloc[0], rows.iloc[-1]
    return (
        f"a training step computed on CPUs: {last['median'] / first['median']:.2f} times as fast on "
        f"{int(last['threads'])} cores as on {int(first['threads'])}"
    )
