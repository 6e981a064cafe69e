"""Measure the data path on a run of HCP's size.

    python benchmarks/scale.py [--parts extraction reading encoding] [--repeat 3] [--folder kept]
        [--shape 91 109 91 284] [--voxels 201218] [--out benchmarks/results]

Writes <out>/scale_<part>.tsv. Every measurement runs in a process of its own, with its files in the page
cache; `seconds` is the shortest of the repeats, and the rest is of that one: `cpu_s`, the CPU time;
`peak_mb`, the largest resident memory; `grown_x`, by how much it grew over that of the libraries, in units
of the run's in-mask series as float32. `ratio` is the speed in units of that of the first row. Encoding and
the training step are timed after a first call, which compiles them, and their ratio is that of series per s.
"""

import argparse
import importlib.util
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd

from dca.inputs.stream import unpacked
from dca.preprocess.series import SeriesWriter
from dca.signals import Shard, extract, write_shard

TR = 0.72
THREADS = 2
ROWS = 8192  # that are encoded
BUFFER = 2**22


def make_run(folder: Path, shape: tuple[int, ...], voxels: int) -> None:
    """Write a run of noise in a brain of so many voxels, zero around it, and its mask."""
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [90, -126, -72]
    image = nib.Nifti1Image(np.broadcast_to(np.float32(0), shape), affine)
    image.header.set_zooms((2, 2, 2, TR))
    image.header.set_xyzt_units("mm", "sec")
    points = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:3]), indexing="ij"))
    radius = np.square(points).sum(axis=0)
    inside = radius < np.quantile(radius, voxels / radius.size)
    rng = np.random.default_rng(0)
    with SeriesWriter(folder / "bold.nii.gz", image) as writer:
        for _ in range(shape[3]):
            volume = np.zeros(shape[:3], np.float32)
            volume[inside] = 10_000 + 100 * rng.standard_normal(np.count_nonzero(inside), np.float32)
            writer.write(volume)
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), affine), folder / "mask.nii.gz")


def unpack_zlib(folder: Path) -> None:
    """Read the file with Python's gzip."""
    import gzip

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


def extract_shard(folder: Path, threads: int = THREADS) -> None:
    """Write the shard, as the rule does."""
    named = {"run_id": "sub-01", "subject": "01", "tr": TR, "space": None, "seed": 0, "preprocessing": {}}
    files = (folder / name for name in ("bold.nii.gz", "mask.nii.gz", "run.h5"))
    extract(*files, **named, threads=threads)


def nilearn_masker(folder: Path) -> None:
    """Do the same with nilearn and h5py."""
    from nilearn.maskers import NiftiMasker

    masker = NiftiMasker(folder / "mask.nii.gz", standardize="zscore_sample", dtype="float32")
    series = masker.fit_transform(folder / "bold.nii.gz")
    with h5py.File(folder / "nilearn.h5", "w") as file:
        file["signals"] = series.T


def read_file(folder: Path) -> None:
    """Read the file of the shard from its first byte to its last."""
    with open(folder / "run.h5", "rb", buffering=0) as stream:
        drain(stream)


def read_blocks(folder: Path) -> None:
    """Read the shard as GLM, encoding and decomposition do."""
    with Shard(folder / "run.h5") as shard:
        for _ in shard.blocks():
            pass


def read_batches(folder: Path) -> None:
    """Read the shard as a worker does, in batches of 1600, while it does nothing else."""
    from dca.train.agenda import Agenda
    from dca.train.data import RowStream

    with Shard(folder / "run.h5") as shard:
        rows, length = shard.n_voxels, shard.length
    for _ in RowStream([folder / "run.h5"], Agenda((((0, rows),),)), 1600, 1, (0, 0), length):
        pass


def training_steps(folder: Path) -> float:
    """Compute gradients of batches of 512; seconds for each series."""
    from dca.model import Architecture
    from dca.model.autoencoder import build
    from dca.model.backend import set_threads
    from dca.train.allocator import keep_memory
    from dca.train.step import GradientStep

    keep_memory()
    set_threads(THREADS)
    with Shard(folder / "few.h5") as shard:
        batch = shard.read(0, 512)
    architecture = Architecture.from_config({}, batch.shape[1])
    step = GradientStep(build(architecture), architecture.penalty)
    step(batch)
    begin = time.monotonic()
    for _ in range(4):
        step(batch)
    return (time.monotonic() - begin) / (4 * len(batch))


def encode_run(folder: Path) -> float:
    """Encode a shard with the network of the paper; seconds for each series."""
    from dca.features import encode
    from dca.model import Architecture
    from dca.model.autoencoder import build
    from dca.model.backend import set_threads
    from dca.model.storage import save_model

    set_threads(THREADS)
    with Shard(folder / "few.h5") as shard:
        rows, length = shard.n_voxels, shard.length
    save_model(build(Architecture.from_config({}, length)), folder / "model", {})
    encode(folder / "few.h5", folder / "model", folder / "features.h5", threads=THREADS)
    begin = time.monotonic()
    encode(folder / "few.h5", folder / "model", folder / "features.h5", threads=THREADS)
    return (time.monotonic() - begin) / rows


def measure(work: Callable[[Path], float | None], folder: Path, repeat: int) -> dict[str, float]:
    """Time a piece of work in processes of its own; the shortest counts."""
    found = []
    for _ in range(repeat):
        receive, send = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=_timed, args=(work, folder, send))
        process.start()
        send.close()
        found.append(receive.recv())
        process.join()
    return min(found, key=lambda row: row["seconds"])


def _timed(work: Callable[[Path], float | None], folder: Path, send: object) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin, cpu = time.monotonic(), time.process_time()
    each = work(folder)
    seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
    if each is not None:
        seconds = each
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    send.send({"seconds": seconds, "cpu_s": cpu, "peak_mb": peak, "grown_mb": peak - before})


def extraction(folder: Path, repeat: int) -> pd.DataFrame:
    """Unpacking alone by several libraries, ours and nilearn's extraction."""
    works = {"unpacking: ISA-L (isal)": unpack_isal, "unpacking: zlib (gzip)": unpack_zlib}
    for module, work in (("indexed_gzip", unpack_indexed), ("rapidgzip", unpack_rapid)):
        if importlib.util.find_spec(module):
            works[f"unpacking: {module}"] = work
    works |= {"extraction to a shard": extract_shard, "NiftiMasker, z-score, HDF5": nilearn_masker}
    return table({name: measure(work, folder, repeat) for name, work in works.items()}, folder)


def table(rows: dict[str, dict[str, float]], folder: Path) -> pd.DataFrame:
    """Round what was measured, and add what follows from it."""
    mask = np.asarray(nib.load(folder / "mask.nii.gz").dataobj)
    series_mb = np.count_nonzero(mask) * nib.load(folder / "bold.nii.gz").shape[3] * 4 / 2**20
    first = next(iter(rows.values()))["seconds"]
    return pd.DataFrame(
        [
            {
                "what": name,
                "seconds": f"{row['seconds']:.2f}",
                "cpu_s": f"{row['cpu_s']:.2f}",
                "peak_mb": f"{row['peak_mb']:.0f}",
                "grown_x": f"{row['grown_mb'] / series_mb:.2f}",
                "ratio": f"{first / row['seconds']:.2f}",
            }
            for name, row in rows.items()
        ]
    )


def reading(folder: Path, repeat: int) -> pd.DataFrame:
    """Bytes of the shard's file, its blocks, and a worker's batches."""
    if not (folder / "run.h5").exists():
        extract_shard(folder)
    works = {"file, 4 MiB at a time": read_file, "blocks of 4096 rows": read_blocks}
    works["batches of 1600, as a worker"] = read_batches
    return table({name: measure(work, folder, repeat) for name, work in works.items()}, folder)


def encoding(folder: Path, repeat: int) -> pd.DataFrame:
    """Series per second of training and of encoding, with the network of the paper, on two threads."""
    if not (folder / "run.h5").exists():
        extract_shard(folder)
    with Shard(folder / "run.h5") as shard:
        columns = {name: getattr(shard, name)[:ROWS] for name in ("voxel", "mean", "std")}
        named = {name: value for name, value in shard.attributes.items() if name != "schema"}
        block = shard.read(0, ROWS)
        write_shard(folder / "few.h5", [block], length=shard.length, attributes=named, **columns)
    rows = {
        "training step, batches of 512": measure(training_steps, folder, repeat),
        "encoding a run, file to file": measure(encode_run, folder, repeat),
    }
    first = rows["training step, batches of 512"]["seconds"]
    return pd.DataFrame(
        [
            {
                "what": name,
                "series_per_s": f"{1 / row['seconds']:.0f}",
                "peak_mb": f"{row['peak_mb']:.0f}",
                "ratio": f"{first / row['seconds']:.2f}",
            }
            for name, row in rows.items()
        ]
    )


PARTS = {"extraction": extraction, "reading": reading, "encoding": encoding}


def main() -> None:
    """Make one run, and measure the parts on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--shape", type=int, nargs=4, default=[91, 109, 91, 284])
    parser.add_argument("--voxels", type=int, default=201_218)
    parser.add_argument("--folder", type=Path, help="keep the run here, and use it if it is there")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        if not (folder / "mask.nii.gz").exists():
            make_run(folder, tuple(options.shape), options.voxels)
        for part in options.parts:
            found = PARTS[part](folder, options.repeat)
            print(found.to_string(index=False), flush=True)
            found.to_csv(options.out / f"scale_{part}.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
