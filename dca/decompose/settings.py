"""The settings of online dictionary learning, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dca.decompose.columns import NORMALISATIONS
from dca.errors import ConfigError


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

    def iterations(self, columns: int) -> int:
        """Mini-batches that make up the passes over so many columns."""
        return math.ceil(self.passes * columns / min(self.batch_size, columns))
