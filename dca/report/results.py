"""What a study's results folder holds, read part by part; what is not there is None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
import pandas as pd

from dca.errors import DCAError, ImageError
from dca.files import read_json, read_tsv
from dca.report.setups import of_kind
from dca.report.slices import Volume
from dca.signals import Shard

Found = TypeVar("Found")
FD = "framewise_displacement"
LABELS = {"run_id": str, "subject": str, "event": str}  # columns that may look like numbers


class Folder:
    """Reads files of the results folder.

    A file that is missing belongs to a stage that did not run: it reads as None. A file that is there but
    cannot be used also reads as None, and its one line of error goes to `problems`, for the page to show.

    Attributes
    ----------
    root : Path
    problems : list of str
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.problems: list[str] = []

    def read(self, path: str, reader: Callable[[Path], Found]) -> Found | None:
        """Apply `reader` to a file below the root."""
        whole = self.root / path
        if not whole.exists():
            return None
        try:
            return reader(whole)
        except DCAError as error:
            self.note(error)
            return None

    def note(self, error: DCAError) -> None:
        """Put an error's line among the problems, once."""
        line = str(error).replace(f"{self.root}/", "")  # the same page wherever the folder lies
        if line not in self.problems:
            self.problems.append(line)

    def table(self, path: str, **options: Any) -> pd.DataFrame | None:
        """Read a TSV; options are those of `pandas.read_csv`."""
        return self.read(path, lambda whole: read_tsv(whole, **options))

    def record(self, path: str) -> dict[str, Any] | None:
        """Read a JSON object."""
        content = self.read(path, read_json)
        return content if isinstance(content, dict) else None

    def group_summary(self, setup: str) -> dict[str, Any] | None:
        """Summary of the dictionary of the group that a setup codes with."""
        return self.record(f"decompose/group/{of_kind(setup)}/summary.json")


class RunResults:
    """The results of one run.

    Parameters
    ----------
    run : mapping
        Row of the run table, see `records`.
    folder : Folder
    """

    def __init__(self, run: Mapping[str, Any], folder: Folder) -> None:
        self.run, self.folder = dict(run), folder
        self.run_id = str(run["run_id"])
        self.subject = str(run["subject"])
        self.events: tuple[str, ...] = run["events"]
        self._dictionaries: dict[str, pd.DataFrame | None] = {}

    @property
    def tr(self) -> float:
        """Repetition time in seconds."""
        return float(self.run["tr"])

    @cached_property
    def confounds(self) -> pd.DataFrame | None:
        """One row per volume."""
        return self.folder.table(f"preprocess/{self.run_id}/confounds.tsv")

    @cached_property
    def displacement(self) -> np.ndarray | None:
        """Framewise displacement in mm without the undefined first value; None where motion is unknown."""
        # Not of `confounds`: the index asks this of every run of the study, and keeps what it asked for.
        path = f"preprocess/{self.run_id}/confounds.tsv"
        table = self.folder.table(path, usecols=lambda name: name == FD)
        if table is None or FD not in table:
            return None
        values = pd.to_numeric(table[FD], errors="coerce").to_numpy(float)
        values = values[np.isfinite(values)]
        return values if values.size else None

    @cached_property
    def signals(self) -> dict[str, Any] | None:
        """``voxels``, ``length``, ``excluded`` (reason to count), ``space``, ``detrended`` of the shard."""
        return self.folder.read(f"signals/{self.run_id}.h5", _describe_shard)

    @cached_property
    def mean(self) -> Volume | None:
        """Mean over time."""
        return self.folder.read(f"preprocess/{self.run_id}/mean.nii.gz", read_volume)

    @cached_property
    def mask(self) -> Volume | None:
        """Brain mask."""
        return self.folder.read(f"preprocess/{self.run_id}/mask.nii.gz", read_volume)

    @cached_property
    def design(self) -> pd.DataFrame | None:
        """T rows, one column per event and more."""
        return self.folder.table(f"glm/{self.run_id}/design.tsv")

    @cached_property
    def comparison(self) -> pd.DataFrame | None:
        """Best atom per setup and event, with nulls."""
        return self.folder.table(f"compare/runs/{self.run_id}.tsv", dtype=LABELS)

    @cached_property
    def judged_atoms(self) -> pd.DataFrame | None:
        """PCC and p of every atom by setup and event."""
        return self.folder.table(f"compare/atoms/{self.run_id}.tsv", dtype=LABELS)

    def summary(self, stage: str) -> dict[str, Any] | None:
        """Summary of ``preprocess``, ``glm``, ``decompose/raw`` or ``decompose/dca``."""
        return self.folder.record(f"{stage}/{self.run_id}/summary.json")

    def z_map(self, name: str) -> Volume | None:
        """The GLM's z of an event or contrast."""
        return self.folder.read(f"glm/{self.run_id}/{name}_z.nii.gz", read_volume)

    def dictionary(self, setup: str) -> pd.DataFrame | None:
        """T rows, one column per atom."""
        if setup not in self._dictionaries:
            path = f"decompose/{setup}/{self.run_id}/dictionary.tsv"
            self._dictionaries[setup] = self.folder.table(path)
        return self._dictionaries[setup]

    def _volumes(self, setup: str) -> list[dict[str, Any]]:
        card = self.folder.record(f"decompose/{setup}/{self.run_id}/maps.json") or {}
        return card.get("volumes", [])

    def atoms_by_event(self, setup: str) -> dict[str, tuple[int, int]]:
        """Event to the atom whose map was written for it, with the sign that makes it follow the event."""
        named = [entry for entry in self._volumes(setup) if entry.get("event")]
        return {str(entry["event"]): (int(entry["index"]), int(entry["sign"])) for entry in named}

    def atom_map(self, setup: str, atom: int, sign: int, event: str) -> Volume | None:
        """Coefficients of one atom times `sign`; None if its map was not written.

        One atom may be there twice, turned to follow one event or another.
        """
        entries = [entry for entry in self._volumes(setup) if int(entry["index"]) == atom]
        if not entries:
            return None
        entry = next((entry for entry in entries if entry.get("event") == event), entries[0])
        path = f"decompose/{setup}/{self.run_id}/maps.nii.gz"
        volume = self.folder.read(path, lambda whole: read_volume(whole, int(entry["volume"])))
        # The file's maps were turned already, by the sign that their entry names.
        return volume and Volume(volume.data * (sign * int(entry["sign"])), volume.affine)


def records(runs: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of the run table as plain dicts, sorted, with ``events`` as a tuple.

    Parameters
    ----------
    runs : sequence of `dca.inputs.Run` or mapping
    """
    rows = [asdict(run) if is_dataclass(run) and not isinstance(run, type) else dict(run) for run in runs]
    for row in rows:
        events = row.get("events") or ()
        row["events"] = tuple(filter(None, events.split(";"))) if isinstance(events, str) else tuple(events)
    return sorted(rows, key=lambda row: (str(row["subject"]), str(row["run_id"])))


def read_volume(path: Path, number: int | None = None) -> Volume:
    """Read a 3-D image, or one volume of a 4-D one, with axes turned to the right, front and top.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    try:
        image: Any = nib.load(path)
        if len(image.shape) == 4:
            image = image.slicer[..., (number or 0) : (number or 0) + 1]
        image = nib.as_closest_canonical(image)
        data = np.asarray(image.dataobj, dtype=np.float32).reshape(image.shape[:3])
    except (OSError, EOFError, ValueError, IndexError, nib.filebasedimages.ImageFileError) as error:
        raise ImageError(path, f"cannot be read ({error})", "delete it and re-run its stage") from error
    return Volume(data, np.asarray(image.affine))


def _describe_shard(path: Path) -> dict[str, Any]:
    with Shard(path) as shard:
        return {
            "voxels": shard.n_voxels,
            "length": shard.length,
            "excluded": dict(shard.excluded),
            "space": shard.space,
            "detrended": shard.detrended,
        }
