"""Extraction to a shard: against unpacking alone, against nilearn, and two at once."""

from __future__ import annotations

import functools
import gzip
import importlib.util
from pathlib import Path

import h5py
import pandas as pd

from dca.inputs.stream import unpacked
from scale.run import Options, at_once, extract_shard, measure, table

BUFFER = 2**22


def unpack_zlib(folder: Path) -> None:
    """Read the file with Python's gzip."""
    with gzip.open(folder / "bold.nii.gz", "rb") as stream:
        drain(stream)


def unpack_isal(folder: Path) -> None:
    """Read the file as the pipeline does."""
    with unpacked(folder / "bold.nii.gz") as stream:
        drain(stream)


def unpack_indexed(folder: Path) -> None:
    """Read the file with indexed_gzip."""
    from indexed_gzip import IndexedGzipFile

    with IndexedGzipFile(folder / "bold.nii.gz") as stream:
        drain(stream)


def unpack_rapid(folder: Path) -> None:
    """Read the file with rapidgzip on two threads."""
    import rapidgzip

    with rapidgzip.open(str(folder / "bold.nii.gz"), parallelization=2) as stream:
        drain(stream)


def drain(stream: object) -> None:
    """Read a stream to its end."""
    buffer = bytearray(BUFFER)
    while stream.readinto(buffer):
        pass


def nilearn_masker(folder: Path, detrend: bool = True) -> None:
    """Do the same with nilearn and h5py."""
    from nilearn.maskers import NiftiMasker

    how = {"standardize": "zscore_sample", "detrend": detrend, "dtype": "float32"}
    masker = NiftiMasker(folder / "mask.nii.gz", **how)
    series = masker.fit_transform(folder / "bold.nii.gz")
    with h5py.File(folder / "nilearn.h5", "w") as file:
        file["signals"] = series.T


def extraction(options: Options) -> pd.DataFrame:
    """Unpacking alone by several libraries, ours and nilearn's extraction."""
    works = {"unpacking: ISA-L (isal)": unpack_isal, "unpacking: zlib (gzip)": unpack_zlib}
    for module, work in (("indexed_gzip", unpack_indexed), ("rapidgzip", unpack_rapid)):
        if importlib.util.find_spec(module):
            works[f"unpacking: {module}"] = work
    works |= {
        "extraction to a shard": extract_shard,
        "NiftiMasker, detrending, z-score, HDF5": nilearn_masker,
        "NiftiMasker, z-score, HDF5": functools.partial(nilearn_masker, detrend=False),
    }
    rows = {name: measure(work, options.folder, options.repeat) for name, work in works.items()}
    return table(rows, options.run_mb())


def pair(options: Options) -> pd.DataFrame:
    """One extraction alone, and two side by side, one thread each."""
    works = [functools.partial(extract_shard, threads=1, name=f"pair_{i}.h5") for i in range(2)]
    rows = {"alone": measure(works[0], options.folder, options.repeat)}
    rows |= dict(zip(("one of two", "the other"), at_once(works, options.folder), strict=True))
    return table(rows, options.run_mb())
