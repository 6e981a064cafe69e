"""The `train:` section of the configuration, and what its `auto` values come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from dca.errors import ConfigError

AUTO_BATCH = 1600  # the paper's
MIN_AUTO_BATCH = 16
AUTO_UPDATES = 300  # updates per epoch that small data should still give
WARMUP_FRACTION = 0.05
_CHOICES = {
    "mode": ("downpour", "sync", "single"),
    "launcher": ("local", "horovodrun", "mpirun", "srun"),
    "optimizer": ("adagrad", "sgd", "momentum", "adam"),
    "compression": ("none", "float16", "bfloat16"),
    "target": ("own", "others"),
}


@dataclass(frozen=True)
class Plan:
    """What `auto` settings come to for a given number of rows.

    Attributes
    ----------
    batch_size : int
        Rows per gradient of one worker.
    steps_per_epoch : int
        Steps of one worker in one epoch, the last of which may have fewer rows.
    warmup_steps : int
        Steps of the first worker before the others start; 0 where there is nobody to wait.
    """

    batch_size: int
    steps_per_epoch: int
    warmup_steps: int


@dataclass(frozen=True)
class TrainSettings:
    """Settings of training; names and defaults are those of ``train:`` in config.yaml."""

    mode: Literal["downpour", "sync", "single"] = "downpour"
    workers: int = 2
    servers: int = 1
    launcher: Literal["local", "horovodrun", "mpirun", "srun"] = "local"
    hosts: str | Sequence[str] | None = None
    interface: str | None = None
    epochs: int = 1
    max_steps: int | None = None
    batch_size: int | Literal["auto"] = "auto"
    optimizer: Literal["adagrad", "sgd", "momentum", "adam"] = "adagrad"
    learning_rate: float = 0.01
    ramp_steps: int = 50
    n_push: int = 1
    n_fetch: int = 1
    clip_norm: float | None = None
    warmup_steps: int | Literal["auto"] = "auto"
    warmup_loss: float | None = None
    max_staleness: int | None = None
    overlap: bool = False
    compression: Literal["none", "float16", "bfloat16"] = "none"
    target: Literal["own", "others"] = "own"
    checkpoint_s: float = 60.0
    freeze: bool = False  # only the workflow heeds it: whether there is a training at all

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"train.{name}", f"is {getattr(self, name)!r}", f"use {' or '.join(choices)}"
                )
        for name, least in (
            ("workers", 1), ("servers", 1), ("epochs", 1), ("ramp_steps", 0), ("n_push", 1), ("n_fetch", 1)
        ):  # fmt: skip
            _check_count(name, getattr(self, name), least)
        if self.max_steps is not None:
            _check_count("max_steps", self.max_steps, 1)
        if self.batch_size != "auto":
            _check_count("batch_size", self.batch_size, 1)
        if self.warmup_steps != "auto":
            _check_count("warmup_steps", self.warmup_steps, 0)
        if self.max_staleness is not None:
            _check_count("max_staleness", self.max_staleness, 0)
        for name in ("learning_rate", "clip_norm", "warmup_loss"):
            value = getattr(self, name)
            absent = value is None and name != "learning_rate"
            if not absent and not (_is_number(value) and 0 < value < float("inf")):
                raise ConfigError(f"train.{name}", f"is {value!r}", "use a number above 0")
        if not (_is_number(self.checkpoint_s) and self.checkpoint_s >= 0):
            raise ConfigError("train.checkpoint_s", f"is {self.checkpoint_s!r}", "use seconds, 0 or more")
        listed = isinstance(self.hosts, list | tuple) and all(isinstance(host, str) for host in self.hosts)
        if not (listed or self.hosts is None or isinstance(self.hosts, str)):
            raise ConfigError(
                "train.hosts", f"is {self.hosts!r}", "name a host file, or list hosts as `name` or `name:4`"
            )
        if not (self.interface is None or isinstance(self.interface, str)):
            raise ConfigError("train.interface", f"is {self.interface!r}", "name a network interface")
        for name in ("overlap", "freeze"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"train.{name}", f"is {getattr(self, name)!r}", "use true or false")
        if self.overlap and self.max_staleness == 0:
            raise ConfigError(
                "train.max_staleness", "is 0, but with train.overlap every gradient is 1 update old",
                "use 1 or more, or overlap: false",
            )  # fmt: skip

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrainSettings:
        """Read the section ``train`` of a configuration; what it lacks keeps its default.

        Parameters
        ----------
        config : mapping
            The whole configuration or only its ``train`` section.

        Raises
        ------
        ConfigError
            On an unknown key or a value out of range.
        """
        section = config.get("train", config)
        known = {field.name for field in fields(cls)}
        for name in section:
            if name not in known:
                raise ConfigError(
                    f"train.{name}", "is not a setting", f"use one of {', '.join(sorted(known))}"
                )
        return cls(**section)

    def resolve(self, rows: int) -> Plan:
        """Settle the `auto` values.

        Parameters
        ----------
        rows : int
            Training rows of all shards together.

        Returns
        -------
        Plan
            An automatic batch is 1600 rows (the paper), but no more than gives about 300
            updates an epoch, and 16 at least. An automatic warm-up is 5 % of one worker's steps.
        """
        workers = 1 if self.mode == "single" else self.workers
        automatic = max(MIN_AUTO_BATCH, min(AUTO_BATCH, rows // AUTO_UPDATES))
        batch = automatic if self.batch_size == "auto" else self.batch_size
        per_epoch = max(1, -(-rows // (workers * batch)))
        steps = per_epoch * self.epochs
        if self.max_steps is not None:
            steps = min(steps, -(-self.max_steps // workers))
        automatic = max(1, round(WARMUP_FRACTION * steps))
        warmup = automatic if self.warmup_steps == "auto" else self.warmup_steps
        apart = self.mode == "downpour" and workers > 1
        return Plan(batch, per_epoch, min(warmup, steps) if apart else 0)


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"train.{name}", f"is {value!r}", f"use a whole number, {least} or more")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
