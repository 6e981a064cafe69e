import json

import numpy as np
import pandas as pd
import pytest

from dca.errors import ImageError, InputError
from dca.preprocess.confounds import dvars, framewise_displacement, write_confounds
from dca.preprocess.rigid import PARAMETERS


def reference_dvars(series):
    """Straight from the formulas, voxel by voxel."""
    scaled = series / np.median(series) * 1000
    expected, squares = [], []
    for x in scaled.T:
        low, high = np.quantile(x, [0.25, 0.75], method="lower")
        if high == low:
            continue
        centred = x - x.mean()
        lag1 = np.dot(centred[1:], centred[:-1]) / np.dot(centred, centred)
        expected.append(np.sqrt(2 * (1 - lag1)) * (high - low) / 1.349)
        squares.append(np.diff(x) ** 2)
    plain = np.sqrt(np.mean(squares, axis=0))
    return plain, plain / np.mean(expected)


def test_dvars_follows_its_formulas_across_blocks():
    rng = np.random.default_rng(0)
    series = (500 + np.cumsum(rng.normal(size=(60, 2500)), axis=0)).astype(np.float32)
    series[:, 7] = 480
    plain, standardised = dvars(series)
    for found, expected in zip((plain, standardised), reference_dvars(series.astype(float)), strict=True):
        assert np.isnan(found[0])
        np.testing.assert_allclose(found[1:], expected, rtol=1e-6)


def test_standardised_dvars_of_white_noise_is_one_and_has_no_unit():
    series = np.random.default_rng(1).normal(1000, 10, (200, 3000))
    _, standardised = dvars(series)
    assert standardised[1:].mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(dvars(series * 7)[1], standardised, rtol=1e-9)


def test_dvars_of_constant_series_is_unknown():
    assert np.isnan(dvars(np.ones((5, 3)))).all()


def test_framewise_displacement_adds_shifts_and_arcs():
    parameters = np.array([[0, 0, 0, 0, 0, 0], [1, -2, 0, 0, 0, 0], [1, -2, 0, 0.01, 0, -0.02]])
    np.testing.assert_allclose(framewise_displacement(parameters), [np.nan, 3, 1.5])


@pytest.fixture
def motion(tmp_path):
    table = pd.DataFrame(np.cumsum(np.full((30, 6), 0.01), axis=0), columns=PARAMETERS)
    table.to_csv(tmp_path / "motion.tsv", sep="\t", index=False)
    return tmp_path / "motion.tsv"


def test_table_of_a_native_run(still, brain, motion, tmp_path):
    record = write_confounds(still, brain, tmp_path / "confounds.tsv", parameters=motion)
    table = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")
    assert list(table) == [*PARAMETERS, "framewise_displacement", "dvars", "std_dvars", "global_signal"]
    assert (tmp_path / "confounds.tsv").read_text().splitlines()[1].split("\t")[6:9] == ["n/a"] * 3
    described = json.loads((tmp_path / "confounds.json").read_text())
    assert set(described) == {
        "trans_*",
        "rot_*",
        "framewise_displacement",
        "dvars",
        "std_dvars",
        "global_signal",
    }
    assert record["mean_fd_mm"] == pytest.approx(0.03 + 0.03 * 50)
    assert record["percent_fd_above_0.5mm"] == 100
    # The run drifts up by 5 %.
    assert table["global_signal"].iloc[-1] / table["global_signal"].iloc[0] == pytest.approx(1.05, abs=0.005)


def test_table_without_motion(still, brain, tmp_path):
    record = write_confounds(still, brain, tmp_path / "confounds.tsv")
    assert list(pd.read_csv(tmp_path / "confounds.tsv", sep="\t")) == ["dvars", "std_dvars", "global_signal"]
    assert record["mean_fd_mm"] is None


def test_confounds_of_the_input_take_precedence(still, brain, motion, tmp_path):
    given = pd.read_csv(motion, sep="\t").assign(global_signal=7.0, a_comp_cor_00=np.arange(30.0))
    given.to_csv(tmp_path / "given.tsv", sep="\t", index=False)
    write_confounds(still, brain, tmp_path / "confounds.tsv", given=tmp_path / "given.tsv")
    table = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")
    assert list(table)[6:] == [
        "framewise_displacement",
        "dvars",
        "std_dvars",
        "global_signal",
        "a_comp_cor_00",
    ]
    assert (table["global_signal"] == 7).all()
    np.testing.assert_array_equal(table["a_comp_cor_00"], np.arange(30))
    assert "*" in json.loads((tmp_path / "confounds.json").read_text())


def test_table_of_another_length_is_refused(still, brain, motion, tmp_path):
    pd.read_csv(motion, sep="\t").iloc[:-1].to_csv(motion, sep="\t", index=False)
    with pytest.raises(InputError, match="29 rows, but the run has 30 volumes"):
        write_confounds(still, brain, tmp_path / "confounds.tsv", parameters=motion)


def test_voxels_that_are_not_finite_are_left_out(save, tmp_path):
    data = np.random.default_rng(0).normal(100, 1, (4, 4, 4, 12)).astype(np.float32)
    mask = np.ones((4, 4, 4), np.uint8)
    mask[0] = 0
    write_confounds(save("clean.nii", data), save("mask.nii", mask), tmp_path / "clean.tsv")
    data[0, 0, 0, 5] = np.nan
    write_confounds(
        save("bold.nii", data), save("all.nii", np.ones((4, 4, 4), np.uint8)), tmp_path / "broken.tsv"
    )
    assert np.isfinite(pd.read_csv(tmp_path / "broken.tsv", sep="\t")["dvars"][1:]).all()
    data[..., 3] = np.nan
    with pytest.raises(ImageError, match="finite in every volume"):
        write_confounds(
            save("bold.nii", data), save("all.nii", np.ones((4, 4, 4), np.uint8)), tmp_path / "x.tsv"
        )
