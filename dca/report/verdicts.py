"""The verdict strip: what a reader should know first, each with the rule it was judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from dca.preprocess.limits import reasons_to_exclude
from dca.report.charts import FD_THRESHOLD
from dca.report.results import RunResults
from dca.report.setups import of_group

FD_GOOD, FD_POOR = 0.2, 0.5  # mm, mean over a run
SETTLED = 0.01  # relative fall of the loss over the last quarter
RISEN = 0.02  # relative rise of the last validation loss over the best one
ALPHA = 0.05
ENOUGH_SUBJECTS = 6  # fewer give a bootstrap interval that is too narrow to go by
OVERALL = "(all)"  # in group.tsv: the mean over events

Level = Literal["good", "caution", "poor", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """One box of the strip.

    Attributes
    ----------
    title, finding : str
        What was judged, and the outcome in a few words.
    detail : str
        The numbers.
    rule : str
        The thresholds.
    level : {"good", "caution", "poor", "unknown"}
    """

    title: str
    finding: str
    detail: str
    rule: str
    level: Level


def judge_runs(
    runs: Sequence[RunResults], preprocess: Mapping[str, Any], excluded: Sequence[str] = ()
) -> Verdict:
    """Which runs made it into the analysis, and why others did not.

    Parameters
    ----------
    runs : sequence of RunResults
    preprocess : mapping
        That section of the settings.
    excluded : sequence of str
        Runs that the settings leave out by hand, which are not among `runs`.
    """
    reasons = {run.run_id: reasons_to_exclude(run.summary("preprocess") or {}, preprocess) for run in runs}
    left_out = {name: why for name, why in reasons.items() if why}
    kept = [run for run in runs if run.signals and run.run_id not in left_out]
    lost = [run.run_id for run in runs if not run.signals and run.run_id not in left_out]
    subjects = len({run.subject for run in runs})
    held_out = sum(run.run.get("split") == "validation" for run in runs)
    resting = sum(not run.events for run in runs)
    parts = [f"{subjects} {'subject' if subjects == 1 else 'subjects'}", f"{held_out} held out from training"]
    if resting:
        parts.append(f"{resting} without events (resting state)")
    if lost:
        parts.append(f"without signals: {_listing(lost)}")
    if left_out:
        named = [f"{name} ({'; '.join(why)})" for name, why in left_out.items()]
        parts.append(f"{len(left_out)} left out, beyond the limits: {_listing(named)}")
    if excluded:
        parts.append(f"left out by hand (input.exclude): {_listing(excluded)}")
    rule = "A run is in when its signals were extracted" + (
        " and it keeps preprocess.limits." if preprocess["exclude_over_limits"] else "."
    )
    level: Level = "good" if kept and not lost and not left_out else "poor" if not kept else "caution"
    return Verdict("Runs", f"{len(kept)} of {len(runs)} in", "; ".join(parts), rule, level)


def judge_motion(runs: Sequence[RunResults]) -> Verdict:
    """How far heads moved."""
    rule = f"Good: every run's mean FD ≤ {FD_GOOD} mm. Poor: a run's mean above {FD_POOR} mm."
    known = {run.run_id: run.displacement for run in runs if run.displacement is not None}
    if not known:
        return Verdict("Motion", "Not known", "no run has motion parameters", rule, "unknown")
    means = {name: float(values.mean()) for name, values in known.items()}
    worst = max(means, key=lambda name: means[name])
    moved = 100 * float(np.mean(np.concatenate(list(known.values())) > FD_THRESHOLD))
    detail = (
        f"worst run: {worst} with {means[worst]:.2f} mm; {moved:.1f} % of volumes above {FD_THRESHOLD} mm"
        + (f"; not known for {len(runs) - len(known)} runs" if len(known) < len(runs) else "")
    )
    level: Level = "good" if means[worst] <= FD_GOOD else "poor" if means[worst] > FD_POOR else "caution"
    finding = f"Median of mean FD {np.median(list(means.values())):.2f} mm"
    return Verdict("Motion", finding, detail, rule, level)


def judge_training(history: pd.DataFrame | None, summary: dict[str, Any] | None) -> Verdict:
    """Whether the loss has settled."""
    rule = (
        f"Settled: over the last quarter of the validations the loss fell by less than "
        f"{100 * SETTLED:.0f} %, and the last is within {100 * RISEN:.0f} % of the best."
    )
    if history is None or history.empty:
        return Verdict("Training", "Not run", "no history of a training", rule, "unknown")
    losses = history.loc[history["split"] == "validation", "loss"].to_numpy(float)
    source = "validation loss"
    if len(losses) < 4:
        # Too few validations to see a trend: medians of tenths of the training loss stand in.
        steps = history.loc[history["split"] == "train", "loss"].to_numpy(float)
        losses = np.array([np.median(part) for part in np.array_split(steps, 12) if part.size])
        source = "training loss (too few validations)"
    if not len(losses) or not np.isfinite(losses).all():
        return Verdict("Training", "Failed", f"the {source} is not finite", rule, "poor")
    updates = int(history["step"].max())
    detail = f"{source} {losses[0]:.3g} → {losses[-1]:.3g} in {updates} updates"
    if summary and summary.get("wall_s"):
        detail += f", {duration(float(summary['wall_s']))}"
    if len(losses) < 4:
        return Verdict("Training", "Too short to judge", detail, rule, "unknown")
    quarter = losses[-max(2, len(losses) // 4) - 1 :]
    fall = (quarter[0] - quarter[-1]) / abs(quarter[0]) if quarter[0] else 0.0
    if losses[-1] > (1 + RISEN) * losses.min():
        return Verdict("Training", "Loss rose again", detail, rule, "caution")
    if fall > SETTLED:
        return Verdict(
            "Training", "Still falling", f"{detail}; {100 * fall:.1f} % in the last quarter", rule, "caution"
        )
    return Verdict("Training", "Settled", detail, rule, "good")


def excess_over_null(pcc: pd.DataFrame) -> pd.DataFrame:
    """Best |PCC| minus the mean of its null, one row per run, setup and event.

    Parameters
    ----------
    pcc : DataFrame
        ``compare/pcc.tsv``. Of several nulls the first of each run counts.

    Returns
    -------
    DataFrame
        Columns ``subject``, ``run_id``, ``setup``, ``event``, ``excess``, ``p``.
    """
    first = primary_null(pcc)
    first = first.assign(excess=first["pcc"].astype(float) - first["null_mean"].astype(float))
    return first[["subject", "run_id", "setup", "event", "excess", "p"]].dropna(subset=["excess"])


def primary_null(pcc: pd.DataFrame) -> pd.DataFrame:
    """The first row of every run, setup and event."""
    return pcc.drop_duplicates(["run_id", "setup", "event"], keep="first")


def judge_events(pcc: pd.DataFrame | None, setup: str) -> Verdict:
    """How many events an atom follows better than chance.

    Atoms that were learnt with the design of the runs follow it in any case: those are judged by where they
    are found, against other runs.
    """
    title = f"Task in {setup} atoms"
    rows = None if pcc is None else primary_null(pcc[pcc["setup"] == setup])
    led = rows is not None and bool((rows["learnt_with"] == "design").any())
    learnt = "dictionary was learnt" if of_group(setup) else "model was trained"
    rule = (
        f"An event counts when its map is like that of other runs, p ≤ {ALPHA} against atoms chosen by "
        f"re-drawn designs: the {learnt} with the design, so that time courses say nothing. Good: at "
        "least half of them."
        if led
        else f"An event counts when p ≤ {ALPHA} against re-drawn designs. Good: at least half of them."
    )
    if rows is None or rows.empty:
        return Verdict(title, "Not run", "no comparison with a design", rule, "unknown")
    p = rows["others_r_p" if led else "p"].astype(float)
    if p.isna().all():
        return Verdict(title, "Cannot be judged", "no other run lies on the same grid", rule, "unknown")
    found = int((p <= ALPHA).sum())
    share = found / len(rows)
    level: Level = "good" if share >= 0.5 else "caution" if share > ALPHA else "poor"
    excess = rows["others_r"] - rows["others_r_null"] if led else excess_over_null(rows)["excess"]
    what = "map's likeness to other runs" if led else "best |PCC|"
    by_chance = f"by chance {100 * ALPHA:.0f} % would count"
    detail = f"mean excess of the {what} over its null {excess.mean():+.3f}; {by_chance}"
    return Verdict(title, f"{found} of {len(rows)} events", detail, rule, level)


def group_row(group: pd.DataFrame) -> pd.Series | None:
    """Excess over the null over all events, setup less reference: of held-out subjects if enough, else all.

    Of the best |PCC|, or where that is void, of the map's likeness to other runs.

    Parameters
    ----------
    group : DataFrame
        Rows of one setup and reference.
    """
    rows = group[group["event"] == OVERALL]
    overall = rows[(rows["measure"] == "pcc_excess") & ~is_void(rows)]
    if overall.empty:
        overall = rows[rows["measure"] == "others_r_excess"]
    held_out = overall[(overall["split"] == "validation") & (overall["n"] >= ENOUGH_SUBJECTS)]
    chosen = held_out if len(held_out) else overall[overall["split"] == "all"]
    return chosen.iloc[0] if len(chosen) else None


def is_void(group: pd.DataFrame) -> pd.Series:
    """Tell rows of group.tsv that say nothing, as what they compare was learnt with the design."""
    return group["status"].astype(str).str.startswith("void")


def judge_group(group: pd.DataFrame | None, setup: str = "dca", reference: str = "raw") -> Verdict:
    """Whether a setup's atoms exceed their null by more than those of its reference do."""
    title = f"{setup} against {reference}"
    rule = (
        "By the excess of the best |PCC| over its null, paired by subject: a difference counts when its 95 % "
        f"interval excludes 0, with at least {ENOUGH_SUBJECTS} subjects. Of what was learnt with the design "
        "(a model, a dictionary of the group), by the excess of the map's likeness to other runs. The bare "
        "PCC is never used."
    )
    own = None if group is None else group[(group["setup"] == setup) & (group["reference"] == reference)]
    if own is None or own.empty:
        return Verdict(title, "Not run", "no subject has a comparison of both", rule, "unknown")
    row = group_row(own)
    if row is None:
        detail = "learnt with the design, and no other run lies on the same grid"
        return Verdict(title, "Cannot be judged", detail, rule, "unknown")
    subjects = int(row["n"])
    who = "held-out subjects" if row["split"] == "validation" else "subjects, those trained on included"
    of_maps = " of the maps" if row["measure"] == "others_r_excess" else ""
    detail = f"{setup} less {reference}{of_maps} {row['difference']:+.3f}"
    if np.isfinite(row["ci_low"]):
        detail += f" (95 % interval {row['ci_low']:+.3f} to {row['ci_high']:+.3f})"
    detail += f"; {subjects} {who if subjects != 1 else 'subject'}"
    if subjects < ENOUGH_SUBJECTS:
        return Verdict(title, "Too few subjects to judge", detail, rule, "unknown")
    if row["ci_low"] > 0:
        return Verdict(title, f"{setup} higher", detail, rule, "good")
    if row["ci_high"] < 0:
        return Verdict(title, f"{reference} higher", detail, rule, "caution")
    return Verdict(title, "No difference shown", detail, rule, "caution")


def duration(seconds: float) -> str:
    """Seconds in words: ``48 s``, ``12 min``, ``3.4 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _listing(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
