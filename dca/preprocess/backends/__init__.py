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
        Those of the settings ``slice_timing``, ``registration``, ``template_mm`` and ``regress`` that it can
        follow; with the others the study ends before it starts, but for the size of a grid that is not its.
    space : str or None
        The space of a run that was normalised; None if it never is.
    voxel_mm : callable
        From the settings to the voxel size of that space's grid; 0 if there is none.
    check : callable
        Called before anything runs with the settings, the T1w image of every subject (None without) and
        the user's file: raises a DCAError if it cannot follow them.
    check_programs : callable
        The same with the settings, of programs that a conda environment may bring.
    """

    steps: Callable[[Settings], list[str]]
    records: Callable[[Settings], list[str]]
    aligned: tuple[str, ...]
    follows: frozenset[str] = frozenset()
    space: str | None = None
    voxel_mm: Callable[[Settings], int] = lambda _: 0
    check: Callable[[Settings, Anatomies, str], None] = lambda *_: None
    check_programs: Callable[[Settings], None] = lambda _: None


def names() -> list[str]:
    """Names of all backends."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def load(name: str) -> Backend:
    """What a backend says of itself; its name is one of `names`."""
    backend: Backend = importlib.import_module(f"{__name__}.{name}").BACKEND
    return backend
