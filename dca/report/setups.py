"""Which of a study's setups the report shows, and what it holds them against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dca.compare.group import REFERENCES
from dca.decompose.settings import setups


def leading(section: Mapping[str, Any]) -> list[str]:
    """The two that figures show, as the paper does: raw and dca, each if the study has it.

    Parameters
    ----------
    section : mapping
        ``decompose`` of the configuration. Where runs have dictionaries of their own, it is these; of a
        model's two, features come before reconstructions.
    """
    found = setups(section)
    level = [name for name in found if of_group(name) == of_group(found[0])]
    raw = [name for name in level if is_raw(name)]
    return raw + sorted(set(level) - set(raw))[:1]


def pairs(section: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each setup that a model has a part in, and the one of raw signals that it is compared with."""
    found = setups(section)
    held = [(name, REFERENCES.get(name, "raw")) for name in found if not is_raw(name)]
    return [(name, reference) for name, reference in held if reference in found]


def led_by_design(comparison: pd.DataFrame | None) -> set[str]:
    """Setups of a table of the comparison that were learnt with the design, and so follow it in any case."""
    if comparison is None:
        return set()
    return set(comparison.loc[comparison["learnt_with"] == "design", "setup"])


def is_raw(setup: str) -> bool:
    """Whether it is made of the signals alone, without a model."""
    return setup.startswith("raw")


def of_kind(setup: str) -> str:
    """What a dictionary is of, whether each run's or the group's: raw, dca or dca-signal."""
    return setup.removesuffix("-group")


def of_group(setup: str) -> bool:
    """Whether all runs share its dictionary."""
    return setup.endswith("-group")
