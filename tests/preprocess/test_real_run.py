"""A real run: preprocessing must not cost activation."""

import shutil

import nibabel as nib
import pytest

from dca.glm import fit_run
from dca.preprocess.highpass import highpass
from dca.preprocess.run import preprocess_run
from dca.signals import extract

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(300)]

TR = 2.0
NAME = "sub-02_task-oneback_run-1"
CATEGORIES = ("body", "face", "house", "object", "scene", "scramble")


def strongest_z(bold, mask, events, confounds, folder):
    """Largest z of all pictures against rest, with motion in the design."""
    shard = folder / "run.h5"
    extract(bold, mask, shard, run_id=NAME, subject="02", tr=TR, space=None, seed=0, preprocessing={})
    contrasts = {"pictures": dict.fromkeys(CATEGORIES, 1 / 6)}
    summary = fit_run(shard, events, confounds, folder, contrasts=contrasts, highpass_s=100, filtered=True)
    return summary["maps"]["pictures"]["peak_z"]


def test_activation_is_not_weaker_than_without_correction(real_data, tmp_path):
    source = real_data / "studyforrest-visloc/sub-02/func"
    shutil.copy(source / f"{NAME}_events.tsv", tmp_path / "events.tsv")
    whole = nib.load(source / f"{NAME}_bold.nii.gz")
    nib.save(whole.slicer[8:72, :, 4:24], tmp_path / "bold.nii")  # most of the brain, a fifth of the time
    native, raw = tmp_path / "native", tmp_path / "raw"
    preprocess_run(tmp_path / "bold.nii", native, tr=TR)
    highpass(tmp_path / "bold.nii", raw / "bold.nii", tr=TR, highpass_s=100)
    common = (native / "mask.nii.gz", tmp_path / "events.tsv", native / "confounds.tsv")
    corrected = strongest_z(native / "desc-preproc_bold.nii.gz", *common, native)
    assert corrected >= strongest_z(raw / "bold.nii", *common, raw)
    assert corrected > 10
