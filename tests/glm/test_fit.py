import json

import nibabel as nib
import numpy as np
import pytest
from nilearn.glm.first_level import FirstLevelModel

from dca.errors import ConfigError, EventsError, InputError
from dca.files import read_tsv, write_tsv
from dca.glm import fit, fit_run
from dca.preprocess.highpass import filter_columns
from dca.preprocess.regress import nuisance_terms, residual_operator
from dca.signals import extract

CONTRASTS = {"finger-tongue": {"finger": 1, "tongue": -1}}


def first_level(run, noise="ar1"):
    return FirstLevelModel(
        t_r=run.tr,
        slice_time_ref=0.5,
        hrf_model="spm",
        drift_model="cosine",
        high_pass=0.01,
        noise_model=noise,
        signal_scaling=False,
        mask_img=run.mask,
    )


def assert_equal_maps(run, model, names):
    for name in names:
        theirs = model.compute_contrast(name.replace("-", " - "), output_type="all")
        for kind, key in (("z", "z_score"), ("effect", "effect_size"), ("variance", "effect_variance")):
            ours = nib.load(run.folder / f"{name}_{kind}.nii.gz").get_fdata()
            expected = theirs[key].get_fdata()
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
            assert not ours[~run.inside].any()


@pytest.mark.parametrize("noise", ["ar1", "ols"])
def test_equals_first_level_model_with_drift(make_run, noise):
    run = make_run()
    fit_run(*run.files, run.folder, contrasts=CONTRASTS, noise=noise, filtered=False)
    model = first_level(run, noise).fit(run.image, run.events, confounds=run.motion)
    assert_equal_maps(run, model, ["finger-tongue"])


def test_equals_first_level_model_of_filtered_images(make_run, monkeypatch):
    run = make_run(lambda columns: filter_columns(columns, 2.0, 80))
    monkeypatch.setattr(fit, "BLOCK_BYTES", 8 * run.volumes * 17)  # several blocks
    fit_run(*run.files, run.folder, contrasts=CONTRASTS, highpass_s=80)
    design = read_tsv(run.folder / "design.tsv")
    model = first_level(run).fit(run.image, design_matrices=design)
    assert_equal_maps(run, model, ["finger-tongue"])
    assert list(design) == ["finger", "tongue", *run.motion, "constant"]


@pytest.mark.parametrize("filtered", [False, True])
def test_a_line_taken_out_of_the_signals_changes_no_map(make_run, tmp_path, filtered):
    """The fit is that of images that still have it, with the line as a column."""
    slopes = np.random.default_rng(7).normal(0, 40, 60)

    def drift(columns):
        columns = columns + np.linspace(-1, 1, 120)[:, None] * slopes
        return filter_columns(columns, 2.0, 80) if filtered else columns

    run = make_run(drift)
    paths = [tmp_path / "bold.nii.gz", tmp_path / "mask.nii.gz"]
    for path, image in zip(paths, (run.image, run.mask), strict=True):
        nib.save(image, path)
    about = {"run_id": "a", "subject": "01", "space": None, "seed": 0, "preprocessing": {}}
    extract(*paths, run.files[0], tr=run.tr, detrend=True, **about)
    summary = fit_run(*run.files, run.folder, contrasts=CONTRASTS, highpass_s=80, filtered=filtered)
    design = read_tsv(run.folder / "design.tsv")
    times = np.arange(120) - 59.5
    np.testing.assert_allclose(design["drift_0"], times / np.linalg.norm(times))
    np.testing.assert_allclose(times @ design[["finger", "tongue"]], 0, atol=1e-8)
    assert_equal_maps(run, first_level(run).fit(run.image, design_matrices=design), ["finger-tongue"])
    assert summary["detrended"] and summary["drift"] == ("filter" if filtered else "cosine")


def test_thousands_of_voxels_equal_one_fit_of_all(make_run, monkeypatch):
    run = make_run(shape=(20, 16, 12))
    monkeypatch.setattr(fit, "BLOCK_BYTES", 8 * run.volumes * 1000)
    fit_run(*run.files, run.folder, contrasts=CONTRASTS, filtered=False)
    model = first_level(run).fit(run.image, run.events, confounds=run.motion)
    assert_equal_maps(run, model, ["finger-tongue"])


def test_summary_says_what_was_fitted_and_where_the_peak_is(make_run):
    run = make_run()
    summary = fit_run(*run.files, run.folder, contrasts=CONTRASTS)
    assert summary == json.loads((run.folder / "summary.json").read_text())
    z = nib.load(run.folder / "finger_z.nii.gz").get_fdata()
    finger = summary["maps"]["finger"]
    assert finger["peak_z"] == pytest.approx(z.max(), abs=1e-3)
    assert finger["peak_mm"] == list(run.affine[:3] @ [1, 2, 1, 1])  # where the run has its response
    assert finger["voxels_above_3.1"] == (z > 3.1).sum() >= 1
    assert summary["dof"] == run.volumes - 9
    assert summary["drift"] == "filter"
    assert set(summary["maps"]) == {"finger", "tongue", "finger-tongue"}


def test_contrasts_are_linear_in_the_effects(make_run):
    run = make_run()
    fit_run(*run.files, run.folder, contrasts={"both": {"finger": 2, "tongue": 0.5}, "minus": {"finger": -1}})
    effect = {
        n: nib.load(run.folder / f"{n}_effect.nii.gz").get_fdata() for n in ("finger", "tongue", "both")
    }
    np.testing.assert_allclose(effect["both"], 2 * effect["finger"] + 0.5 * effect["tongue"], atol=1e-4)
    z, minus = (nib.load(run.folder / f"{n}_z.nii.gz").get_fdata() for n in ("finger", "minus"))
    np.testing.assert_allclose(z, -minus, atol=1e-4)


def test_cropped_run(make_run):
    run = make_run(lambda columns: filter_columns(columns, 2.0, 100), length=100)
    fit_run(*run.files, run.folder)
    design = read_tsv(run.folder / "design.tsv")
    assert len(design) == 100
    assert_equal_maps(run, first_level(run).fit(run.image, design_matrices=design), ["finger"])


def test_without_motion(make_run):
    run = make_run()
    shard, events, confounds = run.files
    assert fit_run(shard, events, None, run.folder)["confounds"] == []
    assert fit_run(shard, events, confounds, run.folder, confounds_kind="none")["confounds"] == []
    write_tsv(confounds, run.motion[["trans_x"]].assign(dvars=1.0), {})
    assert fit_run(shard, events, confounds, run.folder)["confounds"] == ["trans_x"]


def test_confounds_must_fit_the_run(make_run):
    run = make_run()
    write_tsv(run.files[2], run.motion[:50], {})
    with pytest.raises(InputError, match="50 rows for 120 volumes"):
        fit_run(*run.files, run.folder)
    run.motion.loc[3, "rot_y"] = np.nan
    write_tsv(run.files[2], run.motion, {})
    with pytest.raises(InputError, match="missing values in rot_y"):
        fit_run(*run.files, run.folder)


def test_bad_settings_and_events_leave_nothing_behind(make_run):
    run = make_run()
    with pytest.raises(ConfigError, match="choose one of ar1, ols"):
        fit_run(*run.files, run.folder, noise="ar2")
    with pytest.raises(ConfigError, match="known in this run: finger, tongue"):
        fit_run(*run.files, run.folder, contrasts={"x": {"foot": 1}})
    run.files[1].write_text("onset\tduration\ttrial_type\n")
    with pytest.raises(EventsError):
        fit_run(*run.files, run.folder)
    assert not run.folder.exists()


def regressed(run, censored=None):
    """Write the confounds with censored volumes, and give the operator that belongs to them."""
    table = run.motion if censored is None else run.motion.assign(censored=censored)
    table.to_csv(run.files[2], sep="\t", index=False)
    return residual_operator(table, "motion24", tr=run.tr, highpass_s=100)


def test_the_fit_after_regression_is_the_fit_of_the_data_before(make_run):
    run = make_run()
    terms = nuisance_terms(run.motion, "motion24")
    model = first_level(run, "ols").fit(run.image, run.events, confounds=terms)
    operator = regressed(run)
    run = make_run(lambda columns: operator @ columns)
    summary = fit_run(*run.files, run.folder, contrasts=CONTRASTS, noise="ols", regress="motion24")
    assert_equal_maps(run, model, ["finger-tongue"])
    assert (summary["drift"], summary["censored_volumes"], len(summary["confounds"])) == ("cosine", 0, 24)


def test_what_is_in_censored_volumes_does_not_reach_the_maps(make_run):
    censored = np.zeros(120, int)
    censored[[0, 30, 31, 77]] = 1
    found = []
    operator = regressed(make_run(), censored)
    for spoilt in (0, 1e4):
        error = spoilt * censored[:, None]
        run = make_run(lambda columns, error=error: operator @ (columns + error))
        regressed(run, censored)
        summary = fit_run(*run.files, run.folder, regress="motion24")
        found.append(nib.load(run.folder / "finger_z.nii.gz").get_fdata())
        assert summary["censored_volumes"] == 4
        assert len(read_tsv(run.folder / "design.tsv")) == 120
    np.testing.assert_allclose(*found, atol=1e-3)
    assert found[0].max() > 5
