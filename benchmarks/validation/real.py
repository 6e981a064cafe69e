"""The real run as a study: no truth, and one subject."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dca.errors import InputError
from dca.signals import Shard

from .study import Key, Size, Study

SCENARIO = "real"
VARIABLE = "DCA_REAL_DATA"
RUN = "studyforrest-visloc/sub-02/func/sub-02_task-oneback_run-1"


class RealRun(Study):
    """The visual localiser of docs/real-data.md. Seeds are those of models and dictionaries.

    Raises
    ------
    InputError
        If the run is not where ``DCA_REAL_DATA`` says.
    """

    tr, truth = 2.0, False

    def __init__(self, key: Key, size: Size, work: Path, revision: str = "") -> None:
        self._run = Path(os.environ.get(VARIABLE, ""), RUN)
        if not self._bold.is_file():
            raise InputError(self._bold, "is not there", f"set {VARIABLE} to the folder with the real runs")
        volumes = nib.nifti1.load(self._bold).shape[-1]
        super().__init__(key, replace(size, subjects=1, volumes=volumes), work, revision)

    @property
    def _bold(self) -> Path:
        return self._run.with_name(f"{self._run.name}_bold.nii.gz")

    @property
    def labels(self) -> list[str]:
        """Of the one subject."""
        return ["02"]

    def _source(self) -> Any:
        return RUN

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_shard(self._bold, self.labels[0], None)

    def _events(self) -> Path:
        return self._run.with_name(f"{self._run.name}_events.tsv")

    def weights(self, _: str, shard: Shard) -> dict[str, np.ndarray]:
        """Zeros, float32, shape (N,), for every event, in place of what nobody knows."""
        return {event: np.zeros(shard.n_voxels, np.float32) for event in self.nulls}
