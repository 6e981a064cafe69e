import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from dca.errors import InputError
from dca.preprocess.regress import nuisance_terms, regress, residual_operator
from dca.preprocess.rigid import PARAMETERS
from dca.preprocess.run import preprocess_run

TR, LENGTH = 2.0, 120


def confounds(**columns) -> pd.DataFrame:
    walk = np.random.default_rng(0).normal(size=(LENGTH, 6)).cumsum(axis=0) * 0.1
    return pd.DataFrame(walk, columns=list(PARAMETERS)).assign(**columns)


@pytest.mark.parametrize(("kind", "count"), [("drift", 0), ("motion6", 6), ("motion24", 24)])
def test_residuals_are_orthogonal_to_all_confounds_at_once(kind, count):
    table = confounds()
    terms = nuisance_terms(table, kind)
    assert terms.shape == (LENGTH, count)
    y = 100 + np.random.default_rng(1).normal(size=LENGTH)
    slow = np.cos(np.pi * 2 * (np.arange(LENGTH) + 0.5) / LENGTH)
    out = residual_operator(table, kind, tr=TR, highpass_s=100) @ (y + 5 * slow)
    columns = np.column_stack([terms, slow])
    columns -= columns.mean(axis=0)
    np.testing.assert_allclose(columns.T @ out, 0, atol=1e-8)
    assert out.mean() == pytest.approx((y + 5 * slow).mean())


def test_censored_volumes_have_no_influence_and_are_interpolated():
    censored = np.zeros(LENGTH, int)
    censored[[0, 40, 41, LENGTH - 1]] = 1
    operator = residual_operator(confounds(censored=censored), "motion6", tr=TR, highpass_s=100)
    y = np.random.default_rng(1).normal(size=LENGTH)
    spoilt = np.where(censored, 1e6, y)
    out = operator @ y
    np.testing.assert_allclose(operator @ spoilt, out, atol=1e-12)
    np.testing.assert_allclose(out[40:42], np.interp([40, 41], [39, 42], out[[39, 42]]))
    assert (out[0], out[-1]) == (out[1], out[-2])


def test_an_image_is_regressed_voxel_by_voxel(save, tmp_path):
    table = confounds()
    data = 100 + np.random.default_rng(2).normal(size=(3, 4, 5, LENGTH)).astype(np.float32)
    data[1, 1, 1, 7] = np.nan
    table.to_csv(tmp_path / "confounds.tsv", sep="\t", index=False)
    record = regress(
        save("bold.nii.gz", data), tmp_path / "confounds.tsv", tmp_path / "out.nii.gz",
        kind="motion24", tr=TR, highpass_s=100,
    )  # fmt: skip
    import nibabel as nib

    out = np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)
    operator = residual_operator(table, "motion24", tr=TR, highpass_s=100)
    np.testing.assert_allclose(out[2, 3, 4], operator @ data[2, 3, 4].astype(float), rtol=1e-6)
    assert np.isnan(out[1, 1, 1]).all()
    assert np.isfinite(out).sum() == out.size - LENGTH
    assert record["censored_volumes"] == 0


def test_tissue_goes_with_motion_where_it_is_known():
    rng = np.random.default_rng(3)
    names = [
        "csf",
        "csf_derivative1",
        "white_matter",
        "white_matter_power2",
        "a_comp_cor_00",
        "a_comp_cor_01",
    ]
    table = confounds().assign(**{name: rng.normal(size=LENGTH) for name in names})
    assert list(nuisance_terms(table, "motion24_tissue"))[24:] == ["csf", "white_matter"]
    assert list(nuisance_terms(table, "motion24_compcor"))[24:] == ["a_comp_cor_00", "a_comp_cor_01"]
    operator = residual_operator(table, "motion24_compcor", tr=TR, highpass_s=100)
    part = table["a_comp_cor_01"].to_numpy()
    np.testing.assert_allclose(operator @ part, part.mean(), atol=1e-9)
    with pytest.raises(InputError, match="white_matter, which come from a T1w image"):
        nuisance_terms(table.drop(columns="csf"), "motion24_tissue")


def test_too_few_volumes_left():
    with pytest.raises(InputError, match="leaves 20 volumes for 29 confounds"):
        residual_operator(
            confounds(censored=(np.arange(LENGTH) >= 20).astype(int)), "motion24", tr=TR, highpass_s=100
        )


def test_a_run_with_regression_has_it_in_place_of_the_filter(still, tmp_path):
    summary = preprocess_run(still, tmp_path / "run", tr=2.0, regress="motion6", censor_fd_mm=5.0)
    assert [step["step"] for step in summary["steps"]] == [
        *("motion", "mask", "bias", "scale", "regress", "confounds")
    ]
    assert summary["censored_volumes"] == 0


MEASURE = """
import re, sys
from pathlib import Path
import nilearn.signal  # which the step imports only when it needs it
from dca.preprocess.regress import regress

def kib(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = kib("VmRSS")
regress(*sys.argv[1:], kind="motion24", tr=2.0, highpass_s=100)
print(1024 * (kib("VmHWM") - before))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_heavy_step_adds_no_more_memory_than_the_run_has_times_two_and_a_half(save, tmp_path):
    shape = (44, 50, 40, LENGTH)
    data = np.random.default_rng(0).standard_normal(shape, np.float32) + 100
    confounds().to_csv(tmp_path / "confounds.tsv", sep="\t", index=False)
    arguments = [save("bold.nii", data), tmp_path / "confounds.tsv", tmp_path / "out.nii"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    assert 0.2 * data.nbytes < int(done.stdout) < 2.5 * data.nbytes
