"""The settings of online dictionary learning, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dca.errors import ConfigError

NORMALISATIONS = ("unit", "zscore")
GROUP_SETUPS = ("raw", "dca")  # what one dictionary of all runs can be learnt on


def setups(section: Mapping[str, Any]) -> list[str]:
    """Setups of a study, as in the folders below ``results/decompose``.

    Parameters
    ----------
    section : mapping
        ``decompose`` of the configuration.

    Returns
    -------
    list of str
        Those of the level ``run`` as they are; with ``-group`` those of a group dictionary, which there is
        for raw and dca.

    Raises
    ------
    ConfigError
        If the level leaves none.
    """
    wanted, level = list(section["setups"]), section["level"]
    found = wanted if level in ("run", "both") else []
    if level in ("group", "both"):
        found = found + [f"{name}-group" for name in wanted if name in GROUP_SETUPS]
    if not found:
        remedy = f"add {' or '.join(GROUP_SETUPS)} to decompose.setups, or set decompose.level: run"
        raise ConfigError("decompose.level", f"is {level}, which no setup has", remedy)
    return found


@dataclass(frozen=True)
class Settings:
    """How one dictionary is learnt.

    Attributes
    ----------
    atoms : int
        K.
    normalise : str
        ``unit`` or ``zscore``: the scale of the columns.
    lam : float
        λ, on that scale.
    batch_size : int
        Columns per mini-batch.
    passes : float
        How often every column is seen, on average.
    seed : int
        Of the initial dictionary.
    threads : int

    Raises
    ------
    ConfigError
        If one of them is out of range.
    """

    atoms: int
    normalise: str
    lam: float
    batch_size: int
    passes: float
    seed: int
    threads: int = 1

    def __post_init__(self) -> None:
        if self.normalise not in NORMALISATIONS:
            remedy = f"choose one of {', '.join(NORMALISATIONS)}"
            raise ConfigError("decompose.normalise", f"is {self.normalise}", remedy)
        for name, value, least in (
            ("atoms", self.atoms, 2),
            ("batch_size", self.batch_size, 1),
            ("threads", self.threads, 1),
        ):
            if value < least:
                raise ConfigError(f"decompose.{name}", f"is {value}", f"give at least {least}")
        for name, number in (("lambda", self.lam), ("passes", self.passes)):
            if not (math.isfinite(number) and number > 0):
                raise ConfigError(f"decompose.{name}", f"is {number}", "give a number above 0")

    def record(self) -> dict[str, Any]:
        """The settings by their names in the configuration, for a summary."""
        return {"lambda" if name == "lam" else name: value for name, value in vars(self).items()}

    def iterations(self, columns: int) -> int:
        """Mini-batches that make up the passes over so many columns."""
        return self.batches(columns, self.passes)

    def batches(self, columns: int, passes: float = 1) -> int:
        """Mini-batches that make up so many passes over columns."""
        return math.ceil(passes * columns / min(self.batch_size, columns))
