"""Comparison over subjects: setups against raw signals, paired by subject."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import bootstrap, permutation_test

from dca.compare.columns import COLUMNS
from dca.files import read_tsv, write_tsv

REFERENCES = {"raw-group": "raw", "dca-group": "raw-group"}  # all others are compared with raw
OVERALL = "(all)"  # no event can have this name
RESAMPLES = 10_000  # so that up to 13 subjects have all their sign flips counted
BATCH = 500  # sign flips at once: bounds memory where there are a thousand subjects
LABELS = dict.fromkeys(("run_id", "subject", "split", "setup", "learnt_with", "event", "null"), str)

MEASURES = {
    "pcc_excess": "against null",
    "pcc_excess_sd": "against null",
    "heldout_pcc": "held out",
    "heldout_r_excess": "held out, against null",
    "others_r_excess": "other runs, against null",
    "pcc": "uncorrected",
    "spatial_r": "same run, descriptive",
    "dice": "same run, descriptive",
}

# benchmarks/calibration.py: runs without task follow the order that a group dictionary, or a model of what
# runs share, was learnt with.
VOID = "void if all runs share one order"

GROUP_COLUMNS = {
    "split": "Subjects counted: validation (not seen in training), train, or all",
    "event": f"Event type, or {OVERALL}: each subject's mean over its events",
    "measure": "pcc_excess: pcc less null_mean; pcc_excess_sd: the same in null_sd; heldout_r_excess, "
    "others_r_excess: heldout_r, others_r less their null; heldout_pcc, pcc, spatial_r, dice: as in pcc.tsv",
    "status": "against null, held out, other runs: may be judged by; void if all runs "
    "share one order: what was learnt with it finds it where there is no task; uncorrected: "
    "biased by selection; same run, descriptive: the atoms were chosen by the design that made the GLM map",
    "setup": "Setup that is compared",
    "reference": "Setup it is compared with",
    "n": "Subjects with both",
    "mean_setup": "Mean over subjects",
    "mean_reference": "Mean over subjects",
    "difference": "Mean paired difference, setup less reference",
    "sd": "Standard deviation of the differences",
    "ci_low": "Lower end of the 95 % bootstrap confidence interval of the difference (percentile, resampling "
    "subjects); n/a for one subject",
    "ci_high": "Upper end",
    "effect_size": "Cohen's d for paired samples: difference / sd",
    "p": "Two-sided sign-flip test of the mean difference: all flips of the subjects' differences, or "
    f"{RESAMPLES} random ones where there are more; not corrected over rows; n/a for one subject",
}


def gather(
    run_tables: Iterable[str | Path], pcc_tsv: str | Path, group_tsv: str | Path, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join the tables of all runs, and compare setups over subjects.

    Parameters
    ----------
    run_tables : iterable of path
        From `compare_run`.
    pcc_tsv, group_tsv : path
        Written, with their column descriptions.
    seed : int
        Of the bootstrap and of random sign flips.

    Returns
    -------
    tuple of DataFrame
        The joined table, and the one over subjects (columns `GROUP_COLUMNS`).
    """
    tables = [read_tsv(path, dtype=LABELS) for path in run_tables]
    filled = [table for table in tables if len(table)]
    runs = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS))
    write_tsv(pcc_tsv, runs[list(COLUMNS)], COLUMNS)
    group = compare_setups(runs, seed)
    write_tsv(group_tsv, group, GROUP_COLUMNS)
    return runs, group


def compare_setups(runs: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Compare every setup with raw signals (a group dictionary with that of raw signals), paired by subject.

    Parameters
    ----------
    runs : DataFrame
        Columns of `COLUMNS`. Several runs of a subject are averaged first.
    seed : int
        Of the bootstrap and of random sign flips.

    Returns
    -------
    DataFrame
        Columns `GROUP_COLUMNS`; no rows without raw signals or without another setup.
    """
    excess = runs["pcc"] - runs["null_mean"]
    # A null without spread has no scale: such runs do not count.
    spread = runs["null_sd"].where(runs["null_sd"] > 0)
    runs = runs.assign(
        pcc_excess=excess,
        pcc_excess_sd=excess / spread,
        heldout_r_excess=runs["heldout_r"] - runs["heldout_r_null"],
        others_r_excess=runs["others_r"] - runs["others_r_null"],
    )
    led = set(runs.loc[runs["learnt_with"] == "design", "setup"])
    rows = []
    for split, part in _splits(runs):
        for measure, status in MEASURES.items():
            for event, table in _by_subject(part, measure):
                for setup in sorted({*map(str, table)} - {"raw"}):
                    reference = REFERENCES.get(setup, "raw")
                    pairs = table.reindex(columns=[setup, reference]).dropna()
                    if len(pairs):
                        own = _status(status, setup in led)
                        key = (split, event, measure, own, setup, reference)
                        rows.append((*key, *_paired(pairs.to_numpy(float), key, seed)))
    return pd.DataFrame(rows, columns=list(GROUP_COLUMNS))


def _status(status: str, led: bool) -> str:
    """What a measure of a setup may be used for, which may have been learnt with the design."""
    same_run = status in ("against null", "held out", "held out, against null")
    return VOID if led and same_run else status


def _splits(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each split that there is, held-out subjects first, then all."""
    for split in ("validation", "train"):
        part = runs[runs["split"] == split]
        if len(part):
            yield split, part
    if len(runs):
        yield "all", runs


def _by_subject(runs: pd.DataFrame, measure: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """For every event and overall, a table of subjects by setups."""
    values = runs.pivot_table(index=["event", "subject"], columns="setup", values=measure, aggfunc="mean")
    for event, table in values.groupby(level="event"):
        yield str(event), table.droplevel("event")
    # Only events that a subject has in every setup: means over different events do not compare.
    yield OVERALL, values.dropna().groupby(level="subject").mean()


def _paired(pairs: np.ndarray, key: tuple[str, ...], seed: int) -> tuple[float, ...]:
    """Numbers of the columns from `n` on; `pairs` has shape (subjects, 2)."""
    n = len(pairs)
    difference = pairs[:, 0] - pairs[:, 1]
    sd = low = high = effect = p = np.nan
    if n > 1:
        sd = difference.std(ddof=1)
        effect = difference.mean() / sd if sd > 0 else np.nan
        # One generator per row: a row does not depend on which others there are.
        rng = np.random.default_rng([seed, zlib.crc32("\t".join(key).encode())])
        interval = bootstrap(
            (difference,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=rng
        ).confidence_interval
        low, high = interval.low, interval.high
        # Without an effect each subject's difference could as well have the other sign.
        p = permutation_test(
            (difference,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, batch=BATCH, rng=rng
        ).pvalue
    return n, *pairs.mean(axis=0), difference.mean(), sd, low, high, effect, p
