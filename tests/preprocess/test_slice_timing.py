import json

import nibabel as nib
import numpy as np
import pytest

from dca.errors import InputError
from dca.glm.response import SLICE_TIME_REF
from dca.preprocess.slice_timing import REFERENCE, correct_slice_timing, read_slice_times

TR, LENGTH, SHAPE = 2.0, 60, (4, 5, 6)
TIMES = [0.0, 1.0, 0.33, 1.33, 0.66, 1.66]


def wave(time):
    """A response with a period of 20 s, as it would be sampled at any time."""
    return 100 + 10 * np.sin(2 * np.pi * time / 20)


def sampled(times=TIMES, axis=2):
    at = np.arange(LENGTH) * TR
    run = np.stack([wave(at + time) for time in times])  # slice, time
    data = np.broadcast_to(run[None, None], (4, 5, 6, LENGTH))
    return np.ascontiguousarray(np.moveaxis(data, 2, axis), dtype=np.float32)


def middle():
    return wave((np.arange(LENGTH) + 0.5) * TR)


def corrected(save, data, tmp_path, **options):
    bold = save("bold.nii.gz", data, tr=TR)
    record = correct_slice_timing(bold, tmp_path / "out.nii.gz", tr=TR, **{"times": TIMES, **options})
    return np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj), record


@pytest.mark.parametrize(("axis", "letter"), [(2, "k"), (0, "i")])
def test_all_slices_show_the_middle_of_their_volume(save, tmp_path, axis, letter):
    data = sampled(axis=axis)
    found, record = corrected(save, data, tmp_path, axis=letter)
    inner = slice(2, -2)  # a spline knows nothing beyond the ends
    assert np.abs(data - middle())[..., inner].max() > 2
    np.testing.assert_allclose(
        found[..., inner], np.broadcast_to(middle(), found.shape)[..., inner], atol=0.05
    )
    assert record["reference_s"] == 1.0 and record["slice_times_s"] == [0, 1.66]
    assert np.isfinite(found).all() and found.min() > 85 and found.max() < 115


def test_the_reference_is_what_the_glm_takes_a_volume_to_stand_for():
    assert REFERENCE == SLICE_TIME_REF


def test_a_broken_volume_does_not_spread(save, tmp_path):
    data = sampled()
    data[..., 30], data[1, 1, 1, 10] = np.nan, np.nan
    found, _ = corrected(save, data, tmp_path)
    assert np.isnan(found[..., 30]).all() and np.isnan(found[1, 1, 1, 10])
    assert np.isnan(found).sum() == 4 * 5 * 6 + 1
    others = np.delete(found, 30, axis=3)[2, 2]
    np.testing.assert_allclose(others[:, 2:-2], np.delete(middle(), 30)[None, 2:-2].repeat(6, 0), atol=0.3)


@pytest.mark.parametrize(
    ("sidecar", "expected"),
    [
        ({"SliceTiming": TIMES}, (TIMES, "k")),
        ({"SliceTiming": TIMES, "SliceEncodingDirection": "k-"}, (TIMES[::-1], "k")),
        ({"SliceTiming": TIMES[:4], "SliceEncodingDirection": "i"}, (TIMES[:4], "i")),
    ],
)
def test_times_come_from_the_sidecar(save, sidecar, expected):
    bold = save("sub-01_task-x_bold.nii.gz", sampled(), tr=TR)
    bold.with_name("sub-01_task-x_bold.json").write_text(json.dumps(sidecar))
    assert read_slice_times(bold, TR) == expected


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ({}, "has no SliceTiming in its JSON"),
        ({"SliceTiming": TIMES[:5]}, r"not 6 numbers from 0 to TR 2 s \(5 numbers\)"),
        ({"SliceTiming": [330, 660, 990, 0, 1320, 1650]}, "not 6 numbers from 0 to TR 2 s"),
        ({"SliceTiming": "ascending"}, "'ascending'"),
        ({"SliceTiming": TIMES, "SliceEncodingDirection": "z"}, "none of i, j, k"),
    ],
)
def test_times_that_do_not_fit_are_refused(save, sidecar, message):
    bold = save("sub-01_task-x_bold.nii.gz", sampled(), tr=TR)
    bold.with_name("sub-01_task-x_bold.json").write_text(json.dumps(sidecar))
    with pytest.raises(InputError, match=message):
        read_slice_times(bold, TR)
