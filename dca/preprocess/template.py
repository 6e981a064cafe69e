"""The template of backend ``native``: MNI152 as nilearn brings it, without its skull."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from dca.preprocess.grid import take

SPACE = "MNI152NLin2009aSym"  # the version that nilearn has; FSL's and fMRIPrep's are others

_VOXELS = 99 * 117 * 95  # of its grid at 2 mm


def voxels(voxel_mm: float) -> int:
    """About how many voxels the template's grid has; nothing is loaded for that."""
    return round(_VOXELS * (2 / voxel_mm) ** 3)


def template_image(voxel_mm: int) -> nib.Nifti1Image:
    """T1-weighted brain on a grid of isotropic voxels, 0 outside it."""
    from nilearn.datasets import load_mni152_template

    return load_mni152_template(resolution=voxel_mm)


def template_mask(voxel_mm: int) -> nib.Nifti1Image:
    """Brain of the template on the same grid, 1 inside."""
    from nilearn.datasets import load_mni152_brain_mask

    return load_mni152_brain_mask(resolution=voxel_mm)


def template_on(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Template, sampled linearly on another grid in MNI space, float32, of the grid's shape (X, Y, Z)."""
    source = template_image(2)
    index = np.linalg.inv(source.affine) @ affine
    data = np.asarray(source.dataobj, dtype=np.float32)
    return take(data, index, shape[:3], order=1)
