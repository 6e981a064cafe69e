import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix

from dca.errors import ConfigError, EventsError
from dca.glm.design import event_regressors, make_design
from dca.glm.response import block_response, frame_times
from dca.preprocess.highpass import filter_columns

TR, VOLUMES = 1.5, 160


def events(**changes) -> pd.DataFrame:
    table = {
        "onset": [10.0, 50.2, 91.0, 130.0, 170.3, 205.0],
        "duration": 12.0,
        "trial_type": ["a", "b", "a", "c", "b", "c"],
    }
    return pd.DataFrame(table | changes)


def confounds() -> pd.DataFrame:
    walk = np.random.default_rng(0).normal(size=(VOLUMES, 2)).cumsum(axis=0)
    return pd.DataFrame(walk, columns=["trans_x", "rot_z"])


def test_unfiltered_design_is_nilearns():
    ours = make_design(events(), VOLUMES, TR, confounds=confounds(), filtered=False)
    nilearns = make_first_level_design_matrix(
        (np.arange(VOLUMES) + 0.5) * TR,
        events(),
        hrf_model="spm",
        drift_model="cosine",
        high_pass=0.01,
        add_regs=confounds(),
    )
    assert list(ours.table) == list(nilearns)
    np.testing.assert_allclose(ours.table, nilearns, atol=1e-12)
    assert (ours.events, ours.confounds) == (("a", "b", "c"), ("trans_x", "rot_z"))
    assert ours.drifts == tuple(f"drift_{k}" for k in range(1, 5))
    assert not ours.dropped


def test_filtered_design_has_no_drift_and_passes_the_filter():
    design = make_design(events(), VOLUMES, TR, confounds=confounds(), highpass_s=60)
    raw = pd.concat([event_regressors(events(), VOLUMES, TR, "spm"), confounds()], axis=1)
    assert list(design.table) == ["a", "b", "c", "trans_x", "rot_z", "constant"]
    np.testing.assert_allclose(design.table[list(raw)], filter_columns(raw.to_numpy(), TR, 60))
    assert np.ptp(design.table["trans_x"]) < 0.8 * np.ptp(raw["trans_x"])


def test_no_highpass_changes_nothing():
    for filtered in (True, False):
        design = make_design(events(), VOLUMES, TR, highpass_s=0, filtered=filtered)
        expected = event_regressors(events(), VOLUMES, TR, "spm").assign(constant=1.0)
        pd.testing.assert_frame_equal(design.table, expected)


def test_crop_comes_after_the_filter():
    whole = make_design(events(), VOLUMES, TR)
    cropped = make_design(events(), VOLUMES, TR, length=140)
    pd.testing.assert_frame_equal(cropped.table, whole.table[:140])


def test_useless_confounds_are_dropped_and_named():
    table = confounds().assign(trans_y=0.3, trans_z=lambda t: 2 * t["trans_x"] - 5)
    design = make_design(events(), VOLUMES, TR, confounds=table)
    assert design.dropped == {"trans_y": "constant", "trans_z": "explained by other columns"}
    assert np.linalg.matrix_rank(design.table) == design.table.shape[1]


@pytest.mark.parametrize(
    ("table", "length", "message"),
    [
        (events(), 50, "no response to `c` falls within the 50 volumes"),
        (events(trial_type=list("abc") * 2), 2, "no response"),
        (pd.concat([events(), events(trial_type="d")]), VOLUMES, "`a` is a sum of those to other events"),
        (events(trial_type=["constant", "a"] * 3), VOLUMES, "has the name of a confound or drift"),
        (events(trial_type=["rot_z", "a"] * 3), VOLUMES, "has the name of a confound or drift"),
        (events(onset=[0.0, 1, 2, 3, 4, 5]), 6, "leave no degrees of freedom"),
    ],
)
def test_designs_that_cannot_be_estimated_are_refused(table, length, message):
    with pytest.raises(EventsError, match=message):
        make_design(table, VOLUMES, TR, confounds=confounds(), length=length)


def test_unknown_response_model():
    with pytest.raises(ConfigError, match="choose one of spm, glover"):
        make_design(events(), VOLUMES, TR, hrf="fir")


def test_collinearity_names_the_pair():
    onsets = np.array([10.0, 50, 91, 12, 52, 93, 120, 160, 200])
    table = pd.DataFrame({"onset": onsets, "duration": 10.0, "trial_type": list("aaabbbccc")})
    design = make_design(table, VOLUMES, TR)
    largest, pair = design.collinearity()
    assert pair == ("a", "b")
    assert largest == pytest.approx(abs(np.corrcoef(design.table["a"], design.table["b"])[0, 1]))
    assert make_design(table[:3], VOLUMES, TR).collinearity() is None


@pytest.mark.parametrize("hrf", ["spm", "glover"])
@pytest.mark.parametrize("duration", [0.0, 0.9, 20.0])
def test_block_response_agrees_with_nilearn(hrf, duration):
    onsets = np.array([-5.0, 7.3, 100.1, 230.0])
    shifted = block_response(onsets, np.array([[0.0, duration], [3.0, duration]]), VOLUMES, TR, hrf)
    for onset, ours in zip(onsets, shifted, strict=True):
        pair = pd.DataFrame({"onset": [onset, onset + 3], "duration": duration, "trial_type": "a"})
        nilearns = event_regressors(pair, VOLUMES, TR, hrf)["a"]
        np.testing.assert_allclose(ours, nilearns, atol=0.03 * nilearns.max())
        assert np.corrcoef(ours, nilearns)[0, 1] > 0.9999


def test_frames_stand_for_the_middle_of_their_acquisition():
    np.testing.assert_allclose(frame_times(3, 2.0), [1, 3, 5])
