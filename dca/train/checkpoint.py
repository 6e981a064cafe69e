"""Checkpoints: the whole state of a training in one file, whatever its mode; the last two are kept."""

from __future__ import annotations

import json
import logging
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dca.files import atomic, write_text
from dca.train.position import Position

logger = logging.getLogger(__name__)

KEEP = 2
ENDED = "ended"  # beside the checkpoints of a training that has come to its end
_META = "meta_json"
_PLAIN = ("step", "samples", "rejected", "elapsed_s", "details")


@dataclass(frozen=True)
class Checkpoint:
    """A state to go on from, in the same mode or another.

    Attributes
    ----------
    step : int
        Updates applied.
    samples, rejected : int
        Rows used, and gradients refused.
    elapsed_s : float
        Seconds of training.
    position : Position
        Place in the data.
    arrays : dict of float32 array (P,)
        ``weights``, and the vectors of the optimiser by name, such as ``accumulator``.
    details : dict
        What only one mode counts, as JSON, under its name; the others neither need nor keep it.
    """

    step: int
    samples: int
    rejected: int
    elapsed_s: float
    position: Position
    arrays: dict[str, NDArray[Any]]
    details: dict[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one training.

    They are not outputs that a workflow manager knows of, so they outlive a failed job; they name the
    training they belong to, so they are never taken for another's.

    Parameters
    ----------
    folder : path
        Folder of the training; they lie in its subfolder ``checkpoints``.
    fingerprint : str
        Hash of architecture, settings and data (`Job.fingerprint`).
    """

    def __init__(self, folder: str | Path, fingerprint: str) -> None:
        self.folder = Path(folder) / "checkpoints"
        self.fingerprint = fingerprint

    def save(self, state: Checkpoint) -> Path:
        """Write a checkpoint and drop all but the last two.

        Its arrays may not change while this runs.
        """
        path = self.folder / f"step-{state.step:09d}.npz"
        record: dict[str, Any] = {name: getattr(state, name) for name in _PLAIN}
        record |= {"fingerprint": self.fingerprint, "position": state.position.to_json()}
        record["arrays"] = sorted(state.arrays)
        with atomic(path) as temporary:
            # A ZIP holds a CRC of each member: a damaged file is noticed on reading.
            np.savez(temporary, allow_pickle=False, **{_META: np.array(json.dumps(record)), **state.arrays})
        for old in self._files()[:-KEEP]:
            old.unlink(missing_ok=True)
        return path

    def latest(self, length: int) -> Checkpoint | None:
        """Return the newest usable checkpoint, or None; log why others were passed over.

        Parameters
        ----------
        length : int
            P, the number of parameters there should be.
        """
        for path in reversed(self._files()):
            try:
                return self._read(path, length)
            except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
                # RuntimeError is what a damaged directory of a ZIP may look like: encrypted, for one.
                logger.warning("Checkpoint %s is not used: %s.", path.name, error)
        if self._files():
            logger.warning("No usable checkpoint: training starts afresh.")
        return None

    def remove(self) -> None:
        """Delete all checkpoints, when the training is complete or starts afresh."""
        # Also what an interrupted write left, and the copies of the tables (`dca.train.history`).
        others = (path for pattern in (".*", "*.tsv", ENDED) for path in self.folder.glob(pattern))
        for path in [*self._files(), *others]:
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def mark_ended(self, submission: str = "") -> None:
        """Note that the training has come to its end, and leave its checkpoints.

        A cluster may lose sight of a job that has just ended, or take another's end for its end. The workflow
        manager, or the cluster itself, then starts the job again, which goes on from here.

        Parameters
        ----------
        submission : str
            What the cluster calls the job.
        """
        write_text(self.folder / ENDED, submission)

    def forget_ended(self, but: str = "") -> None:
        """Delete all checkpoints if the training has come to its end.

        Parameters
        ----------
        but : str
            Those that this submission left stay.
        """
        ended = self.folder / ENDED
        if ended.exists() and not (but and ended.read_text(encoding="utf-8") == but):
            self.remove()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.npz"))

    def _read(self, path: Path, length: int) -> Checkpoint:
        with np.load(path, allow_pickle=False) as content:
            record = json.loads(str(content[_META]))
            if record["fingerprint"] != self.fingerprint:
                raise ValueError("it belongs to other data, another model or other settings")
            arrays = {name: content[name] for name in content.files if name != _META}
        if sorted(arrays) != record["arrays"]:
            raise ValueError("it is not complete")
        if any(array.shape != (length,) for array in arrays.values()):
            raise ValueError(f"it is not of {length} parameters")
        position = Position.from_json(record["position"])
        return Checkpoint(**{name: record[name] for name in _PLAIN}, position=position, arrays=arrays)
