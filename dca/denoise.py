"""The model's reconstruction of a run as an image, in the units of the image that the signals came from."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from dca.features import reconstruct
from dca.files import atomic
from dca.signals import Shard


def denoise(
    shard: str | Path,
    model_folder: str | Path,
    out: str | Path,
    *,
    batch: int = 512,
    threads: int | None = None,
) -> None:
    """Write the reconstruction of every voxel, its mean and standard deviation restored.

    Parameters
    ----------
    shard : path
        Of `dca.signals`.
    model_folder : path
        Of a trained model.
    out : path
        4-D NIfTI (``.nii.gz``), float32, with the affine and the repetition time of the run; 0 outside the
        shard's voxels.
    batch : int
        Rows at a time.
    threads : int, optional
        Cores to use; all by default.

    Raises
    ------
    ModelError
        If the model cannot be used, or is for another length, TR or normalisation.
    ShardError
        If the shard cannot be read.
    """
    from dca.model.backend import set_threads

    set_threads(threads)
    with Shard(shard) as source:
        # Rows are series and the image is written volume by volume, so all have to be there.
        series = np.empty((source.length, source.n_voxels), np.float32)
        for start, block in reconstruct(source, model_folder, batch=batch):
            rows = slice(start, start + len(block))
            series[:, rows] = (block * source.std[rows, None] + source.mean[rows, None]).T
        image = nib.Nifti1Image(np.broadcast_to(np.float32(0), (*source.shape, source.length)), source.affine)
        source.label_space(image)
        image.header.set_xyzt_units("mm", "sec")
        image.header["pixdim"][4] = source.tr
        with atomic(out) as temporary, ImageOpener(str(temporary), "wb") as file:
            image.header.write_to(file)
            for volume in series:
                file.write(source.to_volume(volume).tobytes(order="F"))
