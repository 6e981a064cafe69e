import nibabel as nib
import numpy as np
import pytest

from dca.glm import fit_run
from dca.signals import extract

pytestmark = pytest.mark.real_data


def make_shard(bold, mask, folder, tr):
    image = nib.load(bold)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), image.affine), folder / "mask.nii.gz")
    about = {"run_id": "real", "subject": "01", "space": None, "seed": 0, "preprocessing": {}}
    extract(bold, folder / "mask.nii.gz", folder / "run.h5", tr=tr, **about)
    return folder / "run.h5"


def test_pictures_drive_occipital_cortex(real_data, tmp_path):
    func = real_data / "studyforrest-visloc" / "sub-02" / "func"
    bold = func / "sub-02_task-oneback_run-1_bold.nii.gz"
    mean = np.asanyarray(nib.load(bold).dataobj).mean(axis=3)
    mask = mean > 0.5 * np.percentile(mean, 98)
    mask[np.arange(len(mask)) % 4 > 0] = False  # a quarter of the voxels is enough
    shard = make_shard(bold, mask, tmp_path, 2.0)
    events = func / "sub-02_task-oneback_run-1_events.tsv"
    pictures = dict.fromkeys(["body", "face", "house", "object", "scene", "scramble"], 1)
    summary = fit_run(shard, events, None, tmp_path / "glm", contrasts={"pictures": pictures}, filtered=False)
    assert summary["maps"]["pictures"]["peak_z"] > 12
    assert summary["maps"]["pictures"]["peak_mm"][1] < -55
    assert summary["maps"]["pictures"]["voxels_above_3.1"] > 700


def test_left_hand_is_in_right_motor_cortex(real_data, tmp_path):
    func = real_data / "pinel-localizer-rois" / "sub-01" / "func"
    bold = func / "sub-01_task-localizer_bold.nii.gz"
    shard = make_shard(bold, np.ptp(np.asanyarray(nib.load(bold).dataobj), axis=3) > 0, tmp_path, 2.4)
    left = {"clicGaudio": 1, "clicGvideo": 1, "clicDaudio": -1, "clicDvideo": -1}
    events = func / "sub-01_task-localizer_events.tsv"
    summary = fit_run(shard, events, None, tmp_path / "glm", contrasts={"left-right": left}, filtered=False)
    x, y, z = summary["maps"]["left-right"]["peak_mm"]
    assert summary["maps"]["left-right"]["peak_z"] > 3.5
    assert 25 < x < 50
    assert -35 < y < -5
    assert 40 < z < 70
