"""Voxels of a study that has not run: by the best source that each run has."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dca.cluster.plan import VOXELS
from dca.cluster.voxels import voxels
from dca.config import load
from dca.inputs import Run
from dca.preprocess.template import template_mask
from dca.signals import extract


def make_run(folder, number, mask=None, **changes):
    bold = folder / f"{number}.nii.gz"
    data = np.random.default_rng(number).normal(100, 1, (4, 4, 4, 40)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.diag([-4.0, 4, 4, 1])), bold)
    values = {"session": None, "task": None, "run": None, "split": "train", "tr": 1.0, "volumes": 40}
    values |= {"mask": mask, "events": (), "events_file": None, "confounds": None, "space": None}
    return Run(**({"run_id": f"sub-{number}", "subject": str(number), "bold": bold} | values | changes))


@pytest.fixture
def mask(tmp_path):
    data = np.zeros((4, 4, 4), np.uint8)
    data[1:3, 1:3, 1:3] = 1
    nib.save(nib.Nifti1Image(data, np.diag([-4.0, 4, 4, 1])), tmp_path / "mask.nii.gz")
    return tmp_path / "mask.nii.gz"


def test_each_run_counts_by_the_best_that_is_known_of_it(tmp_path, mask):
    config = load()
    config["results"] = str(tmp_path / "results")
    config["preprocess"]["backend"] = "none"
    done, masked = (make_run(tmp_path, number, mask) for number in (1, 2))
    names = {"run_id": "sub-1", "subject": "1", "space": None, "preprocessing": {}}
    extract(done.bold, mask, tmp_path / "results/signals/sub-1.h5", tr=1.0, seed=0, **names)
    plain = make_run(tmp_path, 3)
    to_come = make_run(tmp_path, 4, bold=Path("later.nii.gz"))
    assert voxels([done], config) == (8, "1 shard")
    assert voxels([masked], config) == (8, "1 mask")
    assert voxels([plain], config) == (VOXELS // 8, "1 voxel size")  # of 4 mm
    count, sources = voxels([masked, masked, plain, to_come], config)
    assert sources == "2 masks, 1 voxel size, 1 assumption"
    assert count == pytest.approx((16 + VOXELS / 8 + VOXELS) / 4, abs=1)


def test_runs_that_will_be_resampled_have_the_template_s_voxels(tmp_path):
    config = load()
    config["results"] = str(tmp_path)
    config["preprocess"] |= {"registration": "affine", "template_mm": 6}
    expected = np.count_nonzero(template_mask(6).get_fdata())
    assert voxels([make_run(tmp_path, 1)], config) == (expected, "1 template mask")
