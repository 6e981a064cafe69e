"""Head motion: rigid registration of every volume to one of them, by niimath's ``-moco``.

That is the method of Cox & Jesmanowicz (1999), Magn Reson Med 42:1014, as in AFNI's 3dvolreg:
weighted least squares on repeated linearisation, with a free intensity scale, and one heptic
interpolation of each volume.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from tqdm import tqdm

from dca.files import atomic, write_tsv
from dca.inputs.image import open_bold
from dca.preprocess.niimath import niimath, version
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_corrections, parameters_from_matrices
from dca.preprocess.scan import is_alike, scan_run
from dca.preprocess.series import SeriesWriter, save_volume, volumes

logger = logging.getLogger(__name__)

CHUNK_BYTES = 2**27  # of float32 volumes that niimath holds at a time, once as input and once as output
DESCRIPTIONS = {
    "trans_*": "Displacement of the head at the grid centre, mm; x to the right, y to the front, z up",
    "rot_*": "Rotation of the head about a scanner axis, radians, right-hand rule",
}


def correct_motion(
    bold: str | Path,
    out_bold: str | Path,
    out_parameters: str | Path,
    out_mean: str | Path,
    *,
    threads: int = 1,
) -> dict[str, Any]:
    """Align all volumes of a run with its reference volume.

    The reference is the volume, of the 11 in the middle of the run, that is nearest to their
    median, so that an artefact in the middle does no harm. A voxel with a non-finite value in any
    volume is NaN in the result throughout (registration and interpolation see the reference's
    value there). A volume that is constant or has no finite value cannot be registered: it is
    left in place, non-finite values replaced by the reference's, and is listed in the record; so is
    one that still looks unlike the reference afterwards, as when the head has left the grid.

    Parameters
    ----------
    bold : path
        4-D image.
    out_bold : path
        Aligned image, float32.
    out_parameters : path
        TSV with one row per volume: ``trans_x trans_y trans_z`` in mm, ``rot_x rot_y rot_z`` in
        radians; see `dca.preprocess.rigid` for the convention.
    out_mean : path
        Mean of the aligned image over time.
    threads : int

    Returns
    -------
    dict
        Record of this step for the run's summary.

    Raises
    ------
    ImageError
        If the image cannot be used: damaged, all non-finite, all constant.
    """
    image = open_bold(bold)
    scan = scan_run(image, "motion")
    corrections, unaligned = [], []
    total = np.zeros(image.shape[:3])
    with (
        tempfile.TemporaryDirectory() as scratch,
        atomic(out_bold) as temporary,
        SeriesWriter(temporary, image) as writer,
        tqdm(total=image.shape[3], desc="motion", unit="volume") as progress,
    ):
        base = Path(scratch, "reference.nii")
        _save_plain(base, scan.base, image.affine)
        source = volumes(image)
        t = 0
        for size in _chunks(image.shape):
            chunk = np.stack([scan.filled(v) for v in islice(source, size)], axis=-1)
            aligned, rows = _register(chunk, base, image.affine, Path(scratch), threads)
            for i in range(size):
                if t in scan.unusable:
                    aligned[..., i], rows[i] = chunk[..., i], 0
                elif not is_alike(aligned[..., i], scan.base):
                    unaligned.append(t)
                aligned[scan.nonfinite, i] = np.nan
                writer.write(aligned[..., i])
                total += aligned[..., i]
                t += 1
            corrections.append(rows)
            progress.update(size)
    if unaligned:
        logger.warning("%s: volumes %s could not be aligned with volume %d", bold, unaligned, scan.reference)
    with atomic(out_mean) as temporary:
        save_volume(temporary, total / image.shape[3], image)
    matrices = matrices_from_corrections(np.concatenate(corrections), image.affine, image.shape[:3])
    parameters = parameters_from_matrices(matrices, grid_centre(image.affine, image.shape[:3]))
    write_tsv(out_parameters, pd.DataFrame(parameters, columns=list(PARAMETERS)), DESCRIPTIONS)
    return {
        "step": "motion",
        "method": "rigid, weighted least squares, heptic interpolation (niimath -moco)",
        "reference_volume": scan.reference,
        **scan.counts,
        "unaligned_volumes": unaligned,
        "niimath": version(),
    }


def _chunks(shape: tuple[int, ...]) -> Iterator[int]:
    """Sizes of consecutive chunks of volumes; two volumes at least, which niimath asks for."""
    length = shape[3]
    most = max(2, CHUNK_BYTES // (4 * int(np.prod(shape[:3]))))
    count = max(1, min(-(-length // most), length // 2))
    for part in np.array_split(np.arange(length), count):
        yield len(part)


def _save_plain(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(data, affine), path)


def _register(
    chunk: np.ndarray, base: Path, affine: np.ndarray, scratch: Path, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Align a chunk (X, Y, Z, volumes) with the base; return it and niimath's rows of six numbers."""
    source, out, rows = scratch / "chunk.nii", scratch / "aligned.nii", scratch / "rows.1D"
    _save_plain(source, chunk, affine)
    niimath(source, ["-moco", "-ref", base, "-1Dfile", rows], out, threads=threads)
    stored = np.asanyarray(nib.Nifti1Image.from_filename(out).dataobj)
    aligned = np.array(stored, dtype=np.float32, order="F")  # a copy: the next chunk overwrites the file
    return aligned, np.loadtxt(rows, ndmin=2)
