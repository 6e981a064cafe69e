"""The shape of an autoencoder: which layers, how wide, for which length of series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dca.errors import ConfigError

MIN_LENGTH = 32

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "features": (32, 64, 128, 256),
        "filters": (21, 9, 9, 9),
        "pooling": (2, 2, 2),
        "hidden": None,
        "penalty": 0.006,
        "switches": True,
    },
    # Without switches the decoder has nothing but H; what that was measured to do: docs/validation.md.
    "recommended": {
        "features": (16, 32, 64, 128),
        "filters": (21, 9, 9, 9),
        "pooling": (2, 2, 2),
        "hidden": 128,
        "penalty": 0.006,
        "switches": False,
    },
}


@dataclass(frozen=True)
class Architecture:
    """Architecture of the convolutional autoencoder (paper, §3).

    The encoder has one convolution per entry of `features`, each but the last followed by max-pooling;
    a linear layer maps the flattened top Z to the hidden code H. The decoder is its mirror image.

    Attributes
    ----------
    length : int
        T, points of a series; 32 or more.
    features : tuple of int
        Feature maps of each encoder layer.
    filters : tuple of int
        Filter length of each encoder layer, in time points.
    pooling : tuple of int
        Pool size after each encoder layer but the last.
    hidden : int
        Length of H.
    penalty : float
        λ of eq. 5, the weight of ‖Z−Z'‖².
    switches : bool
        Whether training unpools at the positions of the maxima.

    Raises
    ------
    ConfigError
        If these do not make a network.
    """

    length: int
    features: tuple[int, ...]
    filters: tuple[int, ...]
    pooling: tuple[int, ...]
    hidden: int
    penalty: float
    switches: bool

    def __post_init__(self) -> None:
        for name in ("features", "filters", "pooling"):
            _check_counts(name, getattr(self, name), 1)
        _check_counts("hidden", (self.hidden,), 1)
        if self.length < MIN_LENGTH:
            raise ConfigError(
                "series",
                f"have {self.length} time points",
                f"the model needs {MIN_LENGTH} or more: use longer runs",
            )
        if not self.features:
            raise ConfigError("model.features", "is empty", "name at least one layer")
        if len(self.filters) != len(self.features) or len(self.pooling) != len(self.features) - 1:
            raise ConfigError(
                "model",
                f"has {len(self.features)} feature counts, {len(self.filters)} filter lengths and "
                f"{len(self.pooling)} pool sizes",
                "give one filter length per layer and one pool size per layer but the last",
            )
        if not 0 <= self.penalty < float("inf"):
            raise ConfigError("model.penalty", f"is {self.penalty}", "use a number, 0 or more")

    @classmethod
    def from_config(cls, section: Mapping[str, Any], length: int) -> Architecture:
        """Build from the section ``model`` of a configuration.

        Parameters
        ----------
        section : mapping
            ``preset`` and overrides; None means what the preset says, one number for ``pooling`` the same
            after each layer but the last.
        length : int
            T of the training series.

        Raises
        ------
        ConfigError
            On an unknown preset or key, or a network that cannot be.
        """
        preset = section.get("preset", "paper")
        if preset not in PRESETS:
            raise ConfigError("model.preset", f"is {preset!r}", f"use one of {', '.join(PRESETS)}")
        values = dict(PRESETS[preset])
        for name, value in section.items():
            if name == "preset":
                continue
            if name not in values:
                raise ConfigError(f"model.{name}", "is not a setting", f"use one of {', '.join(values)}")
            if value is not None:
                values[name] = value
        if isinstance(values["pooling"], int):  # as in config.yaml: the same after each layer but the last
            values["pooling"] = (values["pooling"],) * (len(values["features"]) - 1)
        return cls.from_dict({**values, "hidden": values["hidden"] or length, "length": length})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """Inverse of `to_dict`."""
        tuples = {name: tuple(values[name]) for name in ("features", "filters", "pooling")}
        return cls(**{**values, **tuples, "penalty": float(values["penalty"])})

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def lengths(self) -> tuple[int, ...]:
        """Time points at each encoder layer; pooling rounds up (284, 142, 71, 36)."""
        lengths = [self.length]
        for pool in self.pooling:
            lengths.append(-(-lengths[-1] // pool))
        return tuple(lengths)


def _check_counts(name: str, values: tuple[Any, ...], least: int) -> None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"model.{name}", f"has {value!r}", f"use whole numbers, {least} or more")
