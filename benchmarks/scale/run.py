"""One run of HCP's size, and how pieces of work on it are measured, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from dca.preprocess.series import SeriesWriter
from dca.signals import Shard, extract, write_shard

TR = 0.72
THREADS = 2
Work = Callable[[Path], float | None]


@dataclass(frozen=True)
class Options:
    """What to measure on.

    Attributes
    ----------
    folder : Path
        Has bold.nii.gz and mask.nii.gz; everything else is made there.
    out : Path
        For the tables.
    repeat : int
        Measurements of a piece of work; the shortest counts.
    quick : bool
        Only see whether it runs.
    """

    folder: Path
    out: Path
    repeat: int
    quick: bool

    def shard(self) -> Path:
        """The shard of the run, made if it is not there."""
        if not (self.folder / "run.h5").exists():
            extract_shard(self.folder)
        return self.folder / "run.h5"

    def few_rows(self, rows: int) -> Path:
        """A shard of the first rows of the run's, or of all if there are fewer."""
        with Shard(self.shard()) as shard:
            columns = {name: getattr(shard, name)[:rows] for name in ("voxel", "mean", "std")}
            named = {name: value for name, value in shard.attributes.items() if name != "schema"}
            write_shard(
                self.folder / "few.h5",
                [shard.read(0, rows)],
                length=shard.length,
                attributes=named,
                **columns,
            )
        return self.folder / "few.h5"

    def run_mb(self) -> float:
        """The run's in-mask series as float32."""
        mask = np.asarray(nib.load(self.folder / "mask.nii.gz").dataobj)
        return np.count_nonzero(mask) * nib.load(self.folder / "bold.nii.gz").shape[3] * 4 / 2**20


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


def extract_shard(folder: Path, threads: int = THREADS, name: str = "run.h5") -> None:
    """Write the shard, as the rule does."""
    named = {"run_id": "sub-01", "subject": "01", "tr": TR, "space": None, "seed": 0, "preprocessing": {}}
    files = (folder / file for file in ("bold.nii.gz", "mask.nii.gz", name))
    extract(*files, **named, detrend=True, threads=threads)


def measure(work: Work, folder: Path, repeat: int) -> dict[str, float]:
    """Time a piece of work, best of some; a work that returns seconds has timed itself."""
    return min((at_once([work], folder)[0] for _ in range(repeat)), key=lambda row: row["seconds"])


def at_once(works: Sequence[Work], folder: Path) -> list[dict[str, float]]:
    """Time pieces of work side by side."""
    pipes = []
    for work in works:
        receive, send = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=_timed, args=(work, folder, send))
        process.start()
        send.close()
        pipes.append((process, receive))
    found = [receive.recv() for _, receive in pipes]
    for process, _ in pipes:
        process.join()
    return found


def _timed(work: Work, folder: Path, send: object) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin, cpu = time.monotonic(), time.process_time()
    each = work(folder)
    seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
    if each is not None:
        seconds = each
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    send.send({"seconds": seconds, "cpu_s": cpu, "peak_mb": peak, "grown_mb": peak - before})


def table(rows: Mapping[str, dict[str, float]], run_mb: float) -> pd.DataFrame:
    """Round what was measured, and add what follows from it."""
    first = next(iter(rows.values()))["seconds"]
    return pd.DataFrame(
        [
            {
                "what": name,
                "seconds": f"{row['seconds']:.2f}",
                "cpu_s": f"{row['cpu_s']:.2f}",
                "peak_mb": f"{row['peak_mb']:.0f}",
                "grown_x": f"{row['grown_mb'] / run_mb:.2f}",
                "ratio": f"{first / row['seconds']:.2f}",
            }
            for name, row in rows.items()
        ]
    )
