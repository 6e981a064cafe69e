"""The HDF5 shard: the normalised voxel series of one run, in seeded random row order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import h5py
import nibabel as nib
import numpy as np

from dca.errors import ShardError
from dca.files import atomic

SCHEMA = 1
Storage = Literal["float32", "float16"]
CHUNK_BYTES = 2**20
ATTRIBUTES = (
    "schema",
    "run_id",
    "subject",
    "tr",
    "affine",
    "shape",
    "space",
    "seed",
    "source",
    "mask",
    "source_sha256",
    "mask_sha256",
    "preprocessing",
    "excluded",
)
_JSON = ("preprocessing", "excluded")  # attributes that hold JSON text
_MISSING = "n/a"  # HDF5 attributes have no None
_REMEDY = "delete it and re-run `signals` for this run"


class Shard:
    """Read access to the shard of one run.

    Use it as a context manager, or call `close`. The file is opened read-only and without a lock,
    so any number of processes may read one shard, on network file systems too.

    Parameters
    ----------
    path : path
        A file written by `write_shard`.

    Attributes
    ----------
    path : Path
    n_voxels : int
        Rows, N.
    length : int
        Time points per row, T.
    tr : float
        Repetition time in seconds.
    affine : ndarray, float64, shape (4, 4)
        Voxel indices to mm.
    shape : tuple of int, length 3
        The image grid.
    run_id, subject : str
    space : str or None
        Name of the reference space, where known.
    attributes : dict
        All attributes, JSON ones decoded.
    detrended : bool
        Whether a line was taken out of every series.
    excluded : dict
        Reason to number of in-mask voxels left out for it.

    Raises
    ------
    ShardError
        If the file is missing, damaged, not a shard or of another schema version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ShardError(path, "does not exist", "run `signals` for this run first")
        try:
            # Shards are never changed after their rename, so a lock would only fail on NFS.
            self._file = h5py.File(self.path, "r", locking=False, rdcc_nbytes=4 * CHUNK_BYTES)
        except PermissionError as error:
            raise ShardError(path, "may not be read", "change its permissions") from error
        except OSError as error:
            raise ShardError(path, "is not HDF5, or cut off", _REMEDY) from error
        try:
            self.attributes = _read_attributes(self.path, self._file)
            self._signals = _checked_signals(self.path, self._file)
        except BaseException:
            self._file.close()
            raise
        self.n_voxels, self.length = (int(n) for n in self._signals.shape)
        self.tr = float(self.attributes["tr"])
        self.affine: np.ndarray = self.attributes["affine"]
        self.shape: tuple[int, int, int] = self.attributes["shape"]
        self.run_id: str = self.attributes["run_id"]
        self.subject: str = self.attributes["subject"]
        self.space: str | None = self.attributes["space"]
        # Shards from before there was this attribute are as they came.
        self.detrended = bool(self.attributes.get("detrended", False))
        self.excluded: dict[str, int] = self.attributes["excluded"]

    def __enter__(self) -> Shard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; arrays already read stay valid."""
        self._file.close()

    @cached_property
    def voxel(self) -> np.ndarray:
        """Flat C-order index of every row in the grid, int64, shape (N,)."""
        return self._dataset("voxel")

    @cached_property
    def mean(self) -> np.ndarray:
        """Temporal mean of every row before normalisation, float32, shape (N,)."""
        return self._dataset("mean")

    @cached_property
    def std(self) -> np.ndarray:
        """Temporal standard deviation before normalisation, float32, shape (N,)."""
        return self._dataset("std")

    def _dataset(self, name: str) -> np.ndarray:
        try:
            return self._file[name][()]
        except OSError as error:
            raise ShardError(self.path, f"`{name}` cannot be read ({error})", _REMEDY) from error

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read the rows from `start` up to `stop`.

        Parameters
        ----------
        start, stop : int
            Row range with 0 <= start <= stop; what lies past the last row is left out, as in slicing.

        Returns
        -------
        ndarray, float32, shape (rows, T)

        Raises
        ------
        ValueError
            If the range is negative or reversed.
        ShardError
            If the rows cannot be read.
        """
        if not 0 <= start <= stop:
            raise ValueError(f"rows must satisfy 0 <= start <= stop. Received: {start}, {stop}")
        try:
            return self._signals[start:stop].astype(np.float32, copy=False)
        except OSError as error:
            problem = f"rows {start} to {stop} cannot be read ({error})"
            raise ShardError(self.path, problem, _REMEDY) from error

    def blocks(self, rows: int = 4096) -> Iterator[tuple[int, np.ndarray]]:
        """Iterate over all rows in order, as (first row, float32 array of shape (<= rows, T))."""
        if rows < 1:
            raise ValueError(f"rows must be at least 1. Received: {rows}")
        for start in range(0, self.n_voxels, rows):
            yield start, self.read(start, min(start + rows, self.n_voxels))

    def to_volume(self, values: np.ndarray, fill: float = 0) -> np.ndarray:
        """Put one value, or K values, per row back on the image grid.

        Parameters
        ----------
        values : ndarray, shape (N,) or (N, K)
        fill : float
            Value outside the shard's voxels.

        Returns
        -------
        ndarray, dtype of `values`, shape (X, Y, Z) or (X, Y, Z, K)

        Raises
        ------
        ValueError
            If `values` does not have N rows.
        """
        values = np.asarray(values)
        if values.ndim not in (1, 2) or len(values) != self.n_voxels:
            raise ValueError(
                f"values must have shape ({self.n_voxels},) or ({self.n_voxels}, K). Received: {values.shape}"
            )
        volume = np.full((int(np.prod(self.shape)), *values.shape[1:]), fill, dtype=values.dtype)
        volume[self.voxel] = values
        return volume.reshape(*self.shape, *values.shape[1:])

    def label_space(self, image: nib.Nifti1Image) -> None:
        """Write the run's affine, and the kind of space that it leads to, into an image's header."""
        code = "mni" if (self.space or "").startswith("MNI") else "scanner"
        image.set_sform(self.affine, code)
        image.set_qform(self.affine, code)
        if not np.allclose(image.get_qform(), self.affine, atol=1e-3):
            image.set_qform(None, "unknown")  # a qform has no shears

    def save_volume(self, path: str | Path, values: np.ndarray, fill: float = 0) -> None:
        """Write `to_volume(values)` as NIfTI in the run's space.

        Parameters
        ----------
        path : path
            Ends in ``.nii.gz`` or ``.nii``; written atomically.
        values : ndarray, shape (N,) or (N, K)
            Stored as float32.
        fill : float
            Value outside the shard's voxels.
        """
        volume = self.to_volume(np.asarray(values, dtype=np.float32), fill)
        image = nib.Nifti1Image(volume, self.affine)
        self.label_space(image)
        image.header.set_xyzt_units("mm", "sec")
        with atomic(path) as temporary:
            nib.save(image, temporary)


def write_shard(
    path: str | Path,
    blocks: Iterable[np.ndarray],
    *,
    length: int,
    voxel: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray,
    attributes: Mapping[str, Any],
    storage: Storage = "float32",
) -> None:
    """Write a shard atomically, block by block.

    Parameters
    ----------
    path : path
        Usually ``results/signals/<run_id>.h5``.
    blocks : iterable of ndarray, float32, shape (rows, T)
        Consecutive row blocks, N rows in total, in the order of `voxel`.
    length : int
        T.
    voxel : ndarray, int64, shape (N,)
        Flat C-order index of each row in the grid.
    mean, std : ndarray, shape (N,)
        What each row was normalised with; stored as float32.
    attributes : mapping
        Every name of `ATTRIBUTES` but ``schema``, and where a line was taken out of every series
        ``detrended``; None stands for missing.
    storage : {"float32", "float16"}
        Numbers in the file. Readers give float32 in any case; see docs/scale.md for what 16 bits lose.

    Raises
    ------
    ValueError
        If attributes are missing, or the blocks do not add up to N rows.
    """
    missing = set(ATTRIBUTES) - {"schema"} - set(attributes)
    if missing:
        raise ValueError(f"attributes are missing: {', '.join(sorted(missing))}")
    rows = len(voxel)
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["schema"] = SCHEMA
        for name, value in attributes.items():
            file.attrs[name] = json.dumps(value) if name in _JSON else _MISSING if value is None else value
        file["voxel"] = np.asarray(voxel, dtype=np.int64)
        file["mean"] = np.asarray(mean, dtype=np.float32)
        file["std"] = np.asarray(std, dtype=np.float32)
        chunk = (min(rows, chunk_rows(length)), length)
        signals = file.create_dataset("signals", (rows, length), storage, chunks=chunk)
        start = 0
        for block in blocks:
            signals[start : start + len(block)] = block.astype(storage, copy=False)
            start += len(block)
        if start != rows:
            raise ValueError(f"blocks must add up to {rows} rows. Received: {start}")


def chunk_rows(length: int) -> int:
    """Rows of `length` float32 in about 1 MiB: a power of two, so that aligned blocks share no chunk."""
    return int(2 ** max(0, round(np.log2(CHUNK_BYTES / (4 * length)))))


def _read_attributes(path: Path, file: h5py.File) -> dict[str, Any]:
    if "schema" not in file.attrs:
        raise ShardError(path, "is not a shard (no attribute `schema`)", "name a file written by `signals`")
    schema = int(file.attrs["schema"])
    if schema != SCHEMA:
        raise ShardError(
            path, f"has schema version {schema}, this version of DCA reads {SCHEMA}", "re-run `signals`"
        )
    missing = [name for name in ATTRIBUTES if name not in file.attrs]
    if missing:
        raise ShardError(path, f"lacks the attributes {', '.join(missing)}", _REMEDY)
    decoded = {name: _decode(name, value) for name, value in dict(file.attrs).items()}
    decoded["shape"] = tuple(int(n) for n in decoded["shape"])
    return decoded


def _decode(name: str, value: Any) -> Any:
    if name in _JSON:
        return json.loads(value)
    if isinstance(value, str) and value == _MISSING:
        return None
    return value.item() if isinstance(value, np.generic) else value


def _checked_signals(path: Path, file: h5py.File) -> h5py.Dataset:
    names = ("signals", "voxel", "mean", "std")
    missing = [name for name in names if name not in file]
    if missing:
        raise ShardError(path, f"lacks the datasets {', '.join(missing)}", _REMEDY)
    if file["signals"].ndim != 2 or len({len(file[name]) for name in names}) != 1:
        raise ShardError(path, "its datasets do not agree in length", _REMEDY)
    return file["signals"]
