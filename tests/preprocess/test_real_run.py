"""A real run: preprocessing must not cost activation."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from dca.glm import fit_run
from dca.preprocess.confounds import write_confounds
from dca.preprocess.highpass import highpass
from dca.preprocess.mask import brain_mask
from dca.preprocess.motion import correct_motion
from dca.signals import extract

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(300)]

TR = 2.0
NAME = "sub-02_task-oneback_run-1"
CATEGORIES = ("body", "face", "house", "object", "scene", "scramble")
# Holds the strongest 300 voxels of the back of the head, so that its maximum is in it.
PICTURES_SEEN = np.s_[20:56, :29, :22]


def strongest_z(bold, mask, folder, confounds_kind):
    """Largest z of all pictures against rest."""
    shard = folder / "run.h5"
    extract(bold, mask, shard, run_id=NAME, subject="02", tr=TR, space=None, seed=0, preprocessing={})
    summary = fit_run(
        shard,
        folder / "events.tsv",
        folder / "confounds.tsv",
        folder / "glm",
        contrasts={"pictures": dict.fromkeys(CATEGORIES, 1 / 6)},
        confounds_kind=confounds_kind,
        highpass_s=100,
    )
    return summary["maps"]["pictures"]["peak_z"]


def test_activation_is_not_weaker_than_with_motion_regressed_from_the_raw_run(real_data, tmp_path):
    source = real_data / "studyforrest-visloc/sub-02/func"
    shutil.copy(source / f"{NAME}_events.tsv", tmp_path / "events.tsv")
    image = nib.load(source / f"{NAME}_bold.nii.gz")
    names = ("raw", "aligned", "mean", "mask")  # not packed: that takes longest
    raw, aligned, mean, mask = (tmp_path / f"{name}.nii" for name in names)
    nib.save(image, raw)
    correct_motion(raw, aligned, tmp_path / "motion.tsv", mean)
    brain_mask(mean, mask)
    boxed = [tmp_path / f"{path.stem}_boxed.nii" for path in (raw, aligned, mask)]
    for path, out in zip((raw, aligned, mask), boxed, strict=True):
        nib.save(nib.load(path).slicer[PICTURES_SEEN], out)
    inside = boxed.pop()
    motion = tmp_path / "motion.tsv"
    write_confounds(boxed[1], inside, tmp_path / "confounds.tsv", tr=TR, parameters=motion)
    found = []
    for bold, kind in zip(boxed, ("motion", "none"), strict=True):
        filtered = bold.with_name(f"{bold.stem}_filtered.nii")
        highpass(bold, filtered, tr=TR, highpass_s=100)
        found.append(strongest_z(filtered, inside, tmp_path, kind))
    assert found[1] >= found[0]
    assert found[1] > 10
