"""The backends of preprocessing, and what the workflow asks of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dca.preprocess import native, template
from dca.preprocess.fsl import install, plan

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Backend:
    """What is known of a backend before anything runs; its rules are in ``rules/preprocess_<name>.smk``.

    Attributes
    ----------
    steps : callable
        From section ``preprocess`` of the settings to the names of the steps that make an image of the
        run, in order; the last one makes the preprocessed image.
    records : callable
        The same for all steps that leave a record, in order.
    space : str or None
        The space of a run that was normalised; None if it never is.
    voxel_mm : callable
        From the settings to the voxel size of that space's grid; 0 if there is none.
    """

    steps: Callable[[Settings], list[str]]
    records: Callable[[Settings], list[str]]
    space: str | None
    voxel_mm: Callable[[Settings], int]


BACKENDS = {
    "native": Backend(native.steps, native.records, template.SPACE, lambda settings: settings["template_mm"]),
    "fsl": Backend(plan.steps, plan.records, install.SPACE, lambda _: install.VOXEL_MM),
    "none": Backend(lambda _: ["link"], lambda _: ["link", "mask"], None, lambda _: 0),
}
