"""The backends of preprocessing: every module here is one, and its `BACKEND` is what the workflow asks it.

The rules of a backend are in ``rules/preprocess_<name>.smk``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPTIONAL = frozenset({"slice_timing", "registration", "template_mm", "regress", "bias_field", "smooth_mm"})

BESIDE = frozenset({"limits", "exclude_over_limits"})
"""Settings that no backend follows: the report looks at them, and what goes on."""

Settings = Mapping[str, Any]
Anatomies = Mapping[str, Path | None]


@dataclass(frozen=True)
class Backend:
    """What is known of a backend before anything runs.

    Attributes
    ----------
    steps : callable
        From section ``preprocess`` of the settings to the names of the steps that make an image of the
        run, in order; the last one makes the preprocessed image.
    records : callable
        The same for all steps that leave a record, in order.
    aligned : tuple of str
        Confounds are computed after the first of these steps that there is: aligned, not yet filtered.
    follows : frozenset of str
        Those of the settings in `OPTIONAL` that it can follow. If another one is asked for, the study ends
        before it starts; those that are on by default, or only give a size, go unrecorded then.
    ignores : callable
        From the settings to those of `follows` that have no effect with them, and go unrecorded.
    space : str or None
        The space of a run that was normalised; None if it never is.
    voxel_mm : callable
        From the settings to the voxel size of that space's grid; 0 if there is none.
    check : callable
        Called before anything runs with the settings, the T1w image of every subject (None without) and
        the user's file: raises a DCAError if it cannot follow them.
    check_programs : callable
        The same with the settings, of programs that a conda environment may bring.
    methods : str
        What the report's methods section says of it; the text of ``native``, ``fsl`` and ``none`` follows
        their settings and is in the report's templates.
    """

    steps: Callable[[Settings], list[str]]
    records: Callable[[Settings], list[str]]
    aligned: tuple[str, ...]
    follows: frozenset[str] = frozenset()
    ignores: Callable[[Settings], frozenset[str]] = lambda _: frozenset()
    space: str | None = None
    voxel_mm: Callable[[Settings], int] = lambda _: 0
    check: Callable[[Settings, Anatomies, str], None] = lambda *_: None
    check_programs: Callable[[Settings], None] = lambda _: None
    methods: str = ""

    def __post_init__(self) -> None:
        """Hold what it says together."""
        if unknown := self.follows - OPTIONAL:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        if "registration" in self.follows and self.space is None:
            raise ValueError("a backend that follows `registration` has to name a space, and its voxel_mm")


def names() -> list[str]:
    """Names of all backends."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> Backend:
    """What a backend says of itself; its name is one of `names`."""
    backend: Backend = importlib.import_module(f"{__name__}.{name}").BACKEND
    return backend


def recorded(settings: Settings) -> dict[str, Any]:
    """Settings that are recorded with the signals: those that have an effect on them.

    Parameters
    ----------
    settings : mapping
        Section ``preprocess`` of the settings.
    """
    chosen = settings["backend"]
    backend = load(chosen)
    unused = BESIDE | set(names()) - {chosen}  # with sections of other backends
    unused |= OPTIONAL - backend.follows | backend.ignores(settings)
    if settings["registration"] == "none":
        unused |= {"template_mm"}
    return {key: value for key, value in settings.items() if key not in unused}
