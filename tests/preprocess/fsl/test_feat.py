"""Mode feat, with a stand-in for FEAT that reads the design file."""

import logging
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dca.errors import ToolError
from dca.files import read_tsv
from dca.preprocess.fsl import feat
from dca.preprocess.fsl.geometry import read_matrices
from dca.preprocess.rigid import PARAMETERS, grid_centre, matrices_from_parameters, rms_displacement

from ..conftest import AXIAL, SHAPE, centres, head, moving_head
from ..test_motion import wander

LENGTH = 12
pytestmark = pytest.mark.usefixtures("standin_fsl")


def run(bold, folder, highpass_s=100.0, smooth_mm=0.0):
    names = ("bold.nii.gz", "mask.nii.gz", "mean.nii.gz", "motion.tsv", "xfm.tsv", "feat.fsf")
    options = {"tr": 0.72, "highpass_s": highpass_s, "smooth_mm": smooth_mm}
    return feat.run_feat(bold, *(folder / name for name in names), **options)


def test_feats_results_become_those_of_the_other_backends(save, tmp_path):
    truth = matrices_from_parameters(wander(LENGTH), np.zeros(3))
    records = run(save("bold.nii.gz", moving_head(AXIAL, truth)), tmp_path / "out", smooth_mm=5)
    assert [record["step"] for record in records] == ["feat", "mask"]
    out = tmp_path / "out"
    image, mask = nib.load(out / "bold.nii.gz"), np.asarray(nib.load(out / "mask.nii.gz").dataobj) > 0
    assert image.shape == (*SHAPE, LENGTH) and records[1]["mask_voxels"] == mask.sum()
    assert np.median(np.asarray(image.dataobj)[mask]) == pytest.approx(10_000, rel=0.02)
    table = pd.read_csv(out / "motion.tsv", sep="\t")
    assert list(table) == list(PARAMETERS)
    found = matrices_from_parameters(table.to_numpy(), grid_centre(AXIAL, SHAPE))
    expected = truth @ np.linalg.inv(truth[LENGTH // 2])
    points = centres(SHAPE, AXIAL)
    inside = head(points) > 60
    assert np.sqrt(np.square(rms_displacement(found, expected, points[inside])).mean()) < 0.06
    assert read_matrices(out / "xfm.tsv").shape == (LENGTH, 4, 4)
    displacement = read_tsv(out / "xfm.tsv")["absolute_displacement"]
    assert displacement.mean() == pytest.approx(records[0]["mcflirt_absolute_displacement_mm"])


def test_the_design_file_says_what_the_settings_say(still, tmp_path):
    run(still, tmp_path, highpass_s=80.5, smooth_mm=6)
    text = (tmp_path / "feat.fsf").read_text()
    for name, value in {
        "analysis": "1",
        "npts": "30",
        "tr": "0.72",
        "smooth": "6",
        "temphp_yn": "1",
        "paradigm_hp": "80.5",
        "mc": "1",
        "bet_yn": "1",
        "norm_yn": "0",
        "totalVoxels": str(22 * 26 * 20 * 30),
    }.items():
        assert re.search(rf"^set fmri\({name}\) {re.escape(value)}$", text, re.MULTILINE), name
    assert "$" not in text
    assert re.search(r'^set feat_files\(1\) "/.*/run\.nii\.gz"$', text, re.MULTILINE)


def test_no_filter_is_no_filter(still, tmp_path):
    run(still, tmp_path, highpass_s=0)
    assert "set fmri(temphp_yn) 0\n" in (tmp_path / "feat.fsf").read_text()


def test_the_design_file_has_all_that_the_gui_writes():
    # feat_model reads what belongs to the regressor though nothing is fitted.
    keys = re.findall(r"^set fmri\(([\w.]+)\) \S", feat.TEMPLATE.read_text(), re.MULTILINE)
    assert len(keys) == len(set(keys))
    assert set(keys) >= {
        *("evtitle1", "shape1", "convolve1", "convolve_phase1", "tempfilt_yn1", "deriv_yn1", "ortho1.0"),
        *("ortho1.1", "skip1", "off1", "on1", "phase1", "stop1", "con_mode_old", "con_mode"),
        *("conpic_real.1", "conname_real.1", "con_real1.1", "conpic_orig.1", "conname_orig.1", "con_orig1.1"),
        *("conmask_zerothresh_yn", "conmask1_1", "alternative_mask", "init_initial_highres", "init_highres"),
        *("init_standard", "overwrite_yn"),
    }


@pytest.mark.parametrize(
    ("line", "wrong", "word"),
    [
        ("fmri(mc) 1", "fmri(mc) 0", "FATAL ERROR"),
        ("fmri(evtitle1)", "fmri(title1)", "find key fmri(evtitle1)"),
    ],
)
def test_feats_own_report_of_a_failure_reaches_the_log(
    still, tmp_path, monkeypatch, caplog, line, wrong, word
):
    template = tmp_path / "prestats.fsf"
    template.write_text(feat.TEMPLATE.read_text().replace(line, wrong))
    monkeypatch.setattr(feat, "TEMPLATE", template)
    with caplog.at_level(logging.INFO), pytest.raises(ToolError, match="feat failed with no filtered_func"):
        run(still, tmp_path / "out")
    assert word in caplog.text
    assert not list(tmp_path.glob("out/*"))
