"""Features: the hidden code H of every voxel, and the file that holds them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from dca.errors import ModelError, ShardError
from dca.files import atomic
from dca.signals import Shard
from dca.signals.shard import Storage

if TYPE_CHECKING:
    from dca.model.autoencoder import Autoencoder

logger = logging.getLogger(__name__)

TR_TOLERANCE = 0.01  # relative
_REMEDY = "delete it and run `features` again"


def encode(
    shard: str | Path,
    model_folder: str | Path,
    out: str | Path,
    *,
    batch: int = 512,
    threads: int | None = None,
    storage: Storage = "float32",
) -> int:
    """Encode every row of a shard and write the features of the run, atomically.

    Parameters
    ----------
    shard : path
        Of `dca.signals`.
    model_folder : path
        Of a trained model.
    out : path
        Usually ``results/features/<run_id>.h5``: ``H`` (N × hidden) and ``voxel`` in the row order
        of the shard, its attributes, and ``model_sha256``.
    batch : int
        Rows at a time. The last block is filled up with zeros, so that every row goes through the same
        computation.
    threads : int, optional
        Cores to use; all by default.
    storage : {"float32", "float16"}
        Numbers in the file. Those of 16 bits are off by up to 0.05 % and end at 65504.

    Returns
    -------
    int
        Rows encoded, N.

    Raises
    ------
    ModelError
        If the model cannot be used, is for another length or TR, or gives codes too large for `storage`.
    ShardError
        If the shard cannot be read.
    """
    from dca.model.backend import set_threads
    from dca.train.allocator import keep_memory

    keep_memory()
    set_threads(threads)
    with Shard(shard) as source:
        model, card = _open(model_folder, source)
        hidden = model.architecture.hidden
        with atomic(out) as temporary, h5py.File(temporary, "w") as target:
            _copy_attributes(source.path, target)
            target.attrs["model_sha256"] = card["weights_sha256"]
            target["voxel"] = source.voxel
            rows = min(batch, source.n_voxels)
            codes = target.create_dataset("H", (source.n_voxels, hidden), storage, chunks=(rows, hidden))
            for start, block in _applied(model, source, batch, "encode"):
                largest = np.abs(block).max()
                if not largest <= np.finfo(storage).max:
                    problem = f"gives codes up to {largest:g}, which {storage} cannot hold"
                    remedy = "set encode.storage: float32" if largest < np.inf else "train it again"
                    raise ModelError(model_folder, problem, remedy)
                codes[start : start + len(block)] = block.astype(storage, copy=False)
        return source.n_voxels


def reconstruct(
    shard: Shard, model_folder: str | Path, *, batch: int = 512, rows: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Reconstruct the rows of a shard by a trained model, with its switches if it has them.

    Parameters
    ----------
    shard : Shard
    model_folder : path
    batch : int
        Rows at a time, the last block filled up with zeros.
    rows : int, optional
        How many, from the first on; all by default.

    Yields
    ------
    int and ndarray, float32, shape (<= batch, T)
        First row, and the reconstructions from it on, on the scale of the shard.

    Raises
    ------
    ModelError
        If the model cannot be used, or is for another length or TR.
    """
    model, _ = _open(model_folder, shard)
    yield from _applied(model, shard, batch, "reconstruct", rows)


def _open(model_folder: str | Path, source: Shard) -> tuple[Autoencoder, dict[str, Any]]:
    """Load a model that fits a shard, with its card."""
    from dca.model.storage import load_model

    model, card = load_model(model_folder)
    _check_fit(source, card, model_folder)
    return model, card


def _applied(
    model: Autoencoder, source: Shard, batch: int, what: str, rows: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Encode or reconstruct rows, in batches of one size, so that every row is computed alike."""
    from tqdm import tqdm

    from dca.model.backend import tf

    signature = [tf.TensorSpec((batch, source.length), tf.float32)]
    call = {"encode": model.encode, "reconstruct": model.call}[what]
    function = tf.function(call, input_signature=signature, autograph=False)
    padded = np.zeros((batch, source.length), np.float32)
    count = min(source.n_voxels, source.n_voxels if rows is None else rows)
    with tqdm(total=count, desc=f"{what} {source.run_id}", unit="voxel", mininterval=1) as bar:
        for start in range(0, count, batch):
            block = source.read(start, min(start + batch, count))
            padded[: len(block)], padded[len(block) :] = block, 0
            yield start, function(padded).numpy()[: len(block)]
            bar.update(len(block))


def _check_fit(source: Shard, card: dict[str, Any], folder: str | Path) -> None:
    from dca.model.card import NORMALISATION

    length, tr = card["architecture"]["length"], card.get("tr")
    remedy = "train a model on runs like this one, or crop and resample the run to fit"
    if source.length != length:
        problem = f"is for series of {length} time points, {source.run_id} has {source.length}"
        raise ModelError(folder, problem, remedy)
    if tr is not None and abs(source.tr - tr) > TR_TOLERANCE * tr:
        raise ModelError(folder, f"is for a TR of {tr:g} s, {source.run_id} has {source.tr:g} s", remedy)
    normalisation = card.get("normalisation", NORMALISATION)
    if normalisation != NORMALISATION:
        problem = f"is for series normalised as `{normalisation}`, shards are `{NORMALISATION}`"
        raise ModelError(folder, problem, "use the version of DCA that trained it")
    if source.attributes["preprocessing"] not in card.get("preprocessing", []):
        logger.warning(
            "%s was preprocessed otherwise than the runs that the model was trained on.", source.run_id
        )


def _copy_attributes(path: Path, target: h5py.File) -> None:
    with h5py.File(path, "r", locking=False) as source:
        for name, value in source.attrs.items():
            target.attrs[name] = value


class Features:
    """Read access to the features of one run; rows are in the order of its shard.

    Parameters
    ----------
    path : path
        A file written by `encode`.

    Attributes
    ----------
    n_voxels : int
        Rows, N.
    hidden : int
        Length of a code.
    run_id : str
    model_sha256 : str
        Checksum of the weights that made them.

    Raises
    ------
    ShardError
        If the file is missing, damaged or not one of features.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ShardError(path, "does not exist", "run `features` for this run first")
        try:
            self._file = h5py.File(self.path, "r", locking=False)
        except OSError as error:
            raise ShardError(path, "is not HDF5, or cut off", _REMEDY) from error
        try:
            self._codes, _ = self._file["H"], self._file["voxel"]
            self.n_voxels, self.hidden = (int(n) for n in self._codes.shape)
            self.run_id = str(self._file.attrs["run_id"])
            self.model_sha256 = str(self._file.attrs["model_sha256"])
        except (KeyError, ValueError) as error:
            self._file.close()
            raise ShardError(path, f"is not a file of features ({error})", _REMEDY) from error

    def __enter__(self) -> Features:
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
        return self._file["voxel"][()]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read the codes of rows `start` up to `stop`, float32 (rows, hidden).

        Raises
        ------
        ShardError
            If the rows cannot be read.
        """
        try:
            return self._codes[start:stop].astype(np.float32, copy=False)
        except OSError as error:
            raise ShardError(
                self.path, f"rows {start} to {stop} cannot be read ({error})", _REMEDY
            ) from error

    def blocks(self, rows: int = 4096) -> Iterator[tuple[int, np.ndarray]]:
        """Iterate over all rows in order, as (first row, float32 array of shape (<= rows, hidden))."""
        for start in range(0, self.n_voxels, rows):
            yield start, self.read(start, min(start + rows, self.n_voxels))
