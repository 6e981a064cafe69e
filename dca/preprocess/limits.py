"""Limits of quality: the report names the runs beyond them; no result depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def beyond_limits(summary: Mapping[str, Any], limits: Mapping[str, float | None]) -> list[str]:
    """Say which limits a run does not keep.

    Parameters
    ----------
    summary : mapping
        ``mean_fd_mm``, ``censored_volumes``, ``volumes``, ``tsnr_median``; None where unknown, which
        or missing is never beyond.
    limits : mapping
        ``mean_fd_mm``, ``censored_percent``, ``tsnr``; None = no limit.

    Returns
    -------
    list of str
        One line for each.
    """
    censored = summary.get("censored_volumes")
    share = None if censored is None else 100 * censored / summary["volumes"]
    tests = (
        ("mean_fd_mm", summary.get("mean_fd_mm"), 1, "mean framewise displacement", " mm"),
        ("censored_percent", share, 1, "share of censored volumes", " %"),
        ("tsnr", summary.get("tsnr_median"), -1, "median temporal SNR", ""),
    )
    return [
        f"{what} {value:.3g}{unit} is {'above' if sign > 0 else 'below'} the limit of {limit:g}{unit} "
        f"(preprocess.limits.{name})"
        for name, value, sign, what, unit in tests
        if value is not None and (limit := limits.get(name)) is not None and sign * (value - limit) > 0
    ]
