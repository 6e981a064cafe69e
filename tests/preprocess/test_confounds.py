import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dca.errors import ImageError, InputError
from dca.preprocess.confounds import dvars, framewise_displacement, write_confounds
from dca.preprocess.regress import cosine_drift
from dca.preprocess.rigid import PARAMETERS

from .conftest import SHAPE

TISSUES = ((1, "csf"), (2, "white_matter"))


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


def expanded(*names):
    kinds = ("", "_derivative1", "_derivative1_power2", "_power2")
    return [f"{name}{kind}" for name in names for kind in kinds]


CHANGES = ["framewise_displacement", "dvars", "std_dvars"]


def test_table_of_a_native_run(still, brain, motion, tmp_path):
    record = write_confounds(
        still, brain, tmp_path / "confounds.tsv", tr=2.0, highpass_s=40, parameters=motion
    )
    table = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")
    cosines = ["cosine00", "cosine01", "cosine02"]  # 2 * 60 s / 40 s
    assert list(table) == [*expanded(*PARAMETERS), *CHANGES, *expanded("global_signal"), *cosines]
    first = (tmp_path / "confounds.tsv").read_text().splitlines()[1].split("\t")
    assert [name for name, value in zip(table, first, strict=True) if value == "n/a"] == [
        name for name in table if name in CHANGES or "derivative1" in name
    ]
    np.testing.assert_allclose(table["trans_x_derivative1"][1:], 0.01)
    np.testing.assert_allclose(table["rot_z_power2"], table["rot_z"] ** 2)
    np.testing.assert_allclose(table["rot_z_derivative1_power2"], table["rot_z_derivative1"] ** 2)
    np.testing.assert_allclose(table["cosine00"], cosine_drift(30, 2.0, 40)[:, 0])
    described = json.loads((tmp_path / "confounds.json").read_text())
    assert list(described) == list(table) and all(entry["Description"] for entry in described.values())
    assert record["mean_fd_mm"] == pytest.approx(0.03 + 0.03 * 50)
    assert record["percent_fd_above_0.5mm"] == 100
    # The run drifts up by 5 %.
    assert table["global_signal"].iloc[-1] / table["global_signal"].iloc[0] == pytest.approx(1.05, abs=0.005)


@pytest.mark.parametrize("limit", [0.2, 100.0])
def test_volumes_that_moved_more_than_the_limit_are_marked(still, brain, motion, tmp_path, limit):
    table = pd.read_csv(motion, sep="\t") * 0.01
    table.loc[7:, "trans_y"] += 0.5  # a jerk between two volumes, and a slower one with a turn
    table.loc[20:, "rot_z"] += 0.006
    table.to_csv(motion, sep="\t", index=False)
    options = {"tr": 2.0, "parameters": motion, "censor_fd_mm": limit}
    write_confounds(still, brain, tmp_path / "confounds.tsv", **options)
    found = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")
    assert found["censored"].tolist() == (found["framewise_displacement"] > limit).astype(int).tolist()
    assert np.flatnonzero(found["censored"]).tolist() == ([7, 20] if limit < 1 else [])
    described = json.loads((tmp_path / "confounds.json").read_text())
    assert "above the limit" in described["censored"]["Description"]


def test_without_motion_or_limit_nothing_is_marked(still, brain, motion, tmp_path):
    for options in ({"censor_fd_mm": 0.2}, {"parameters": motion}):
        write_confounds(still, brain, tmp_path / "confounds.tsv", tr=2.0, **options)
        assert "censored" not in pd.read_csv(tmp_path / "confounds.tsv", sep="\t")


def test_table_without_motion(still, brain, tmp_path):
    record = write_confounds(still, brain, tmp_path / "confounds.tsv", tr=2.0)
    table = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")
    assert list(table) == ["dvars", "std_dvars", *expanded("global_signal")]
    assert record["mean_fd_mm"] is None


def test_confounds_of_the_input_take_precedence(still, brain, motion, tmp_path):
    given = pd.read_csv(motion, sep="\t").assign(
        global_signal=7.0, a_comp_cor_00=np.arange(30.0), cosine00=1.0
    )
    given["edge_comp_00"] = 2.0
    given.to_csv(tmp_path / "given.tsv", sep="\t", index=False)
    options = {"tr": 2.0, "highpass_s": 30, "given": tmp_path / "given.tsv"}
    write_confounds(still, brain, tmp_path / "confounds.tsv", **options)
    table = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")
    # Cosines of another filter are not mixed with theirs; what is missing is added.
    theirs = ["a_comp_cor_00", "cosine00", "edge_comp_00"]
    assert list(table) == [*expanded(*PARAMETERS), *CHANGES, *expanded("global_signal"), *theirs]
    assert (table["global_signal"] == 7).all() and (table["global_signal_power2"] == 49).all()
    np.testing.assert_array_equal(table["a_comp_cor_00"], np.arange(30))
    described = json.loads((tmp_path / "confounds.json").read_text())
    assert "came with the input" in described["global_signal"]["Description"]
    assert "came with the input" not in described["dvars"]["Description"]


def test_tissue_gives_means_and_compcor_that_nilearn_reads(still, brain, motion, save, tmp_path):
    from nilearn.interfaces.fmriprep import load_confounds

    inside = np.asarray(nib.load(brain).dataobj) > 0
    order = np.arange(inside.size).reshape(inside.shape) % 4
    masks = {name: save(f"{name}.nii.gz", (inside & (order == n)).astype(np.uint8)) for n, name in TISSUES}
    table = tmp_path / "sub-01_task-x_desc-confounds_timeseries.tsv"
    write_confounds(still, brain, table, tr=2.0, highpass_s=40, parameters=motion, tissue=masks)
    found = pd.read_csv(table, sep="\t")
    data = np.asarray(nib.load(still).dataobj)
    for n, name in TISSUES:
        np.testing.assert_allclose(found[name], data[inside & (order == n)].mean(axis=0), rtol=1e-5)
    parts = found[[f"a_comp_cor_0{n}" for n in range(5)]].to_numpy()
    np.testing.assert_allclose(parts.T @ parts, np.eye(5), atol=1e-9)
    drift = cosine_drift(30, 2.0, 40)
    np.testing.assert_allclose(drift.T @ parts, 0, atol=1e-9)  # drift is taken out before
    image = tmp_path / "sub-01_task-x_space-T1w_desc-preproc_bold.nii.gz"
    image.symlink_to(still)
    strategy = ("motion", "high_pass", "wm_csf", "global_signal", "compcor")
    read, _ = load_confounds(str(image), strategy, wm_csf="full", global_signal="full")
    wanted = [*expanded(*PARAMETERS, "global_signal", "csf", "white_matter")]
    wanted += [name for name in found if name.startswith(("a_comp_cor", "cosine"))]
    assert set(read) == set(wanted)


def test_an_empty_tissue_gives_no_column(still, brain, save, tmp_path):
    empty = save("empty.nii.gz", np.zeros(SHAPE, np.uint8))
    masks = {"csf": empty, "white_matter": brain}
    write_confounds(still, brain, tmp_path / "confounds.tsv", tr=2.0, tissue=masks)
    table = pd.read_csv(tmp_path / "confounds.tsv", sep="\t")
    assert "csf" not in table and {"white_matter", "a_comp_cor_00"} <= set(table)


def test_table_of_another_length_is_refused(still, brain, motion, tmp_path):
    pd.read_csv(motion, sep="\t").iloc[:-1].to_csv(motion, sep="\t", index=False)
    with pytest.raises(InputError, match="29 rows, but the run has 30 volumes"):
        write_confounds(still, brain, tmp_path / "confounds.tsv", tr=2.0, parameters=motion)


def test_voxels_that_are_not_finite_are_left_out(save, tmp_path):
    data = np.random.default_rng(0).normal(100, 1, (4, 4, 4, 12)).astype(np.float32)
    mask = np.ones((4, 4, 4), np.uint8)
    mask[0] = 0
    write_confounds(save("clean.nii", data), save("mask.nii", mask), tmp_path / "clean.tsv", tr=2.0)
    data[0, 0, 0, 5] = np.nan
    write_confounds(
        save("bold.nii", data), save("all.nii", np.ones((4, 4, 4), np.uint8)), tmp_path / "broken.tsv", tr=2.0
    )
    assert np.isfinite(pd.read_csv(tmp_path / "broken.tsv", sep="\t")["dvars"][1:]).all()
    data[..., 3] = np.nan
    with pytest.raises(ImageError, match="finite in every volume"):
        write_confounds(
            save("bold.nii", data), save("all.nii", np.ones((4, 4, 4), np.uint8)), tmp_path / "x.tsv", tr=2.0
        )
