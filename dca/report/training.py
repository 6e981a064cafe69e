"""The page of the training: how it went, what it learned, and how it scales."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dca.config import ROOT
from dca.report import filter_charts, training_charts, verdicts
from dca.report.filters import encoder_filters
from dca.report.gallery import Gallery, Shown
from dca.report.notes import gather_notes, study_logs
from dca.report.origin import origin_of
from dca.report.page import write_page
from dca.report.paper import statements
from dca.report.results import Folder

BENCHMARKS = ROOT / "benchmarks" / "results"
TABLES = ("scaling", "equal-loss", "step")


def write_training(
    out: str | Path,
    results: str | Path,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
    benchmarks: str | Path = BENCHMARKS,
) -> None:
    """Write ``results/report/training.html`` from results files.

    Parts whose files are missing say that they were not run.

    Parameters
    ----------
    out : path
        The page, beside ``index.html``.
    results : path
        The results folder.
    config : mapping
        Complete settings.
    provenance : mapping, optional
        From `dca.provenance.collect`, which is asked by default.
    benchmarks : path
        Folder with the tables of ``benchmarks/scaling.py``.

    Raises
    ------
    OutputError
        If the page cannot be written.
    """
    folder, measured = Folder(results), Folder(benchmarks)
    # With a model from elsewhere, train/ is what an earlier study left.
    trained = not config["encode"]["model"]
    history = folder.table("train/history.tsv") if trained else None
    timeline = folder.table("train/timeline.tsv") if trained else None
    training = folder.record("train/summary.json") if trained else None
    card = folder.record("train/model/card.json") if trained else None
    section = config["report"]
    with Gallery(out, section["single_file"], section["formats"]) as gallery:
        context = {
            "verdicts": [verdicts.judge_training(history, training)],
            "training": training,
            "card": card,
            "losses": show_losses(history, gallery),
            "pace": _pace(history, gallery),
            "stall": _stall(history),
            "staleness": _staleness(history, gallery),
            "timeline": _timeline(timeline, gallery),
            "filters": _filters(folder, card, gallery) if trained else None,
            "scaling": _scaling(measured, gallery),
            "equal_loss": _equal_loss(measured),
            "statements": statements(*(measured.table(f"{name}.tsv") for name in TABLES)),
            "config": config,
            "provenance": origin_of(folder, config, provenance),
            "data": gallery.data,
        }
        logs = [log for log in study_logs(folder.root) if trained and log.stem == "train"]
        problems = [*folder.problems, *measured.problems]
        notes = gather_notes([], problems, training, logs, config)
        write_page(out, "training.html", notes=notes, **context)


def show_losses(history: pd.DataFrame | None, gallery: Gallery) -> Shown | None:
    """The loss against updates and against time."""
    if history is None or not np.isfinite(history["loss"]).any():
        return None
    alt = "Training and validation loss, left against updates, right against time."
    return gallery.add("losses", training_charts.draw_losses(history, alt), data="train/history.tsv")


def _pace(history: pd.DataFrame | None, gallery: Gallery) -> Shown | None:
    if history is None or (history["split"] == "train").sum() < 2:
        return None
    return gallery.add("pace", *training_charts.draw_pace(history, "Series per second over the training."))


def _stall(history: pd.DataFrame | None) -> tuple[float, float] | None:
    """Shares of time that workers waited for rows, over the updates: mean and 95th percentile."""
    if history is None or "stall" not in history:
        return None
    known = pd.to_numeric(history.loc[history["split"] == "train", "stall"], errors="coerce").dropna()
    return None if known.empty else (float(known.mean()), float(known.quantile(0.95)))


def _staleness(history: pd.DataFrame | None, gallery: Gallery) -> Shown | None:
    if history is None or "staleness" not in history:
        return None
    known = pd.to_numeric(history.loc[history["split"] == "train", "staleness"], errors="coerce").dropna()
    if known.empty:
        return None
    alt = f"Histogram of the staleness of {len(known)} updates, mean {known.mean():.2f}."
    return gallery.add("staleness", *training_charts.draw_staleness(known, alt))


def _timeline(timeline: pd.DataFrame | None, gallery: Gallery) -> dict[str, Any] | None:
    if timeline is None or timeline.empty:
        return None
    timeline = timeline.assign(process=training_charts.process_names(timeline["worker"]))
    picture, shown_s = training_charts.draw_timeline(timeline, "What each worker did over time.")
    total_s = float(timeline["end_s"].max())
    # The supervisor's recorded time is not all its time.
    timeline = timeline[timeline["process"] != training_charts.SUPERVISOR]
    spent = (timeline["end_s"] - timeline["start_s"]).groupby([timeline["process"], timeline["phase"]]).sum()
    shares = spent.unstack(fill_value=0)
    shares = 100 * shares.div(shares.sum(axis=1), axis=0)
    return {
        "picture": gallery.add("timeline", picture, data="train/timeline.tsv"),
        "shown_s": shown_s,
        "total_s": total_s,
        "phases": [str(phase) for phase in shares.columns],
        "shares": [
            (str(worker), [float(x) for x in row])
            for worker, row in zip(shares.index, shares.values, strict=True)
        ],
    }


def _filters(folder: Folder, card: Mapping[str, Any] | None, gallery: Gallery) -> dict[str, Any] | None:
    """First layer: filters and their gain; deeper ones: gain by layer."""
    found = folder.read("train/model", encoder_filters)
    if found is None:
        return None
    (first, *deeper), tr = found
    weights = first[:, 0, :]
    count = weights.shape[1]
    pooling = ((card or {}).get("architecture") or {}).get("pooling") or []
    layers = []
    for number, kernels in enumerate(deeper, start=2):
        step_s = tr * float(np.prod(pooling[: number - 1])) if len(pooling) >= number - 1 else tr
        alt = f"Gain by frequency of the {kernels.shape[2]} features of layer {number}."
        drawn, gains = filter_charts.draw_deeper(kernels, step_s, alt)
        layers.append((number, gallery.add(f"layer{number}", drawn, gains)))
    lag_alt = f"The {count} filters of the first layer over time lag."
    gain_alt = f"Gain by frequency of the {count} filters of the first layer."
    frequency, gain = filter_charts.responses(weights, tr)
    names = [f"filter_{k + 1}" for k in range(count)]
    table = pd.DataFrame(weights, columns=names)
    table.insert(0, "lag_s", (np.arange(len(weights)) - (len(weights) - 1) / 2) * tr)
    gains = pd.DataFrame(gain, columns=names)
    gains.insert(0, "frequency_hz", frequency)
    return {
        "lags": gallery.add("filters", filter_charts.draw_filters(weights, tr, lag_alt), table),
        "gains": gallery.add("gains", filter_charts.draw_gains(weights, tr, gain_alt), gains),
        "deeper": layers,
    }


def _scaling(measured: Folder, gallery: Gallery) -> Shown | None:
    table = measured.table("scaling.tsv")
    table = None if table is None else table[table["servers"] == 1]
    if table is None or table.empty:
        return None
    alt = "Speed-up over one process against the number of workers, without and with overlap."
    return gallery.add("scaling", training_charts.draw_scaling(table, alt), table)


def _equal_loss(measured: Folder) -> list[dict[str, Any]]:
    table = measured.table("equal-loss.tsv")
    return [] if table is None else [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
