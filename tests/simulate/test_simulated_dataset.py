import json

import nibabel as nib
import numpy as np
import pytest
from bids import BIDSLayout
from nilearn.glm.first_level import make_first_level_design_matrix

from dca.errors import ConfigError, OutputError
from dca.files import checksum, read_tsv
from dca.simulate import Scenario, layout, simulate_dataset, simulate_subject, write_dataset_files

SMALL = Scenario(voxel_mm=12, volumes=60)


def tree(folder):
    return {str(p.relative_to(folder)): checksum(p) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("données simulées")
    simulate_dataset(folder, 2, 3, SMALL, progress=False)
    return folder


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """One full-length subject without motion and spikes, on a coarse grid."""
    folder = tmp_path_factory.mktemp("full")
    simulate_dataset(folder, 1, 0, voxel_mm=8, motion_mm=0.0, artefacts=False, progress=False)
    return folder


def in_brain(folder, path):
    mask = np.asarray(nib.load(layout.truth_mask_path(folder, "01")).dataobj) > 0
    return np.asarray(nib.load(path).dataobj)[mask]


def test_same_seed_same_bytes_and_subjects_stand_alone(small, tmp_path):
    write_dataset_files(tmp_path, 2, 3, SMALL)
    for index in (1, 0):
        simulate_subject(tmp_path, index, 3, SMALL, progress=False)
    assert tree(tmp_path) == tree(small)


def test_subjects_and_seeds_differ(small, tmp_path):
    simulate_dataset(tmp_path, 1, 4, SMALL, progress=False)
    images = [layout.bold_path(small, "01"), layout.bold_path(small, "02"), layout.bold_path(tmp_path, "01")]
    assert len({checksum(image) for image in images}) == 3


def test_pybids_finds_what_was_planned(small):
    dataset = BIDSLayout(small, validate=True)
    assert dataset.get_subjects() == ["01", "02"]
    assert dataset.get_tasks() == ["motor"]
    images = dataset.get(suffix="bold", extension=".nii.gz")
    assert sorted(image.path for image in images) == [str(p) for p in layout.planned_runs(small, 2)]
    assert all(image.get_metadata()["RepetitionTime"] == 0.72 for image in images)
    assert len(dataset.get(suffix="events", extension=".tsv")) == 2
    truth = BIDSLayout(small / layout.TRUTH, validate=False, is_derivative=True)
    assert truth.get_subjects() == ["01", "02"]


def test_header_says_millimetres_seconds_and_mni(small):
    image = nib.load(layout.bold_path(small, "01"))
    assert image.shape[3] == 60
    assert image.get_data_dtype() == np.int16
    assert image.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(image.header.get_zooms(), (12, 12, 12, 0.72), rtol=1e-6)
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    assert image.header["sform_code"] == image.header["qform_code"] == 4
    np.testing.assert_array_equal(nib.load(layout.truth_mask_path(small, "01")).affine, image.affine)


def test_more_runs_are_numbered_and_differ(tmp_path):
    scenario = SMALL.with_options(runs=2, order="per-run")
    images = simulate_dataset(tmp_path, 1, 0, scenario, progress=False)
    assert [image.name for image in images] == [f"sub-01_task-motor_run-{run}_bold.nii.gz" for run in (1, 2)]
    assert checksum(images[0]) != checksum(images[1])
    orders = [tuple(read_tsv(layout.events_path(tmp_path, "01", run))["trial_type"]) for run in (1, 2)]
    assert orders[0] != orders[1]


def test_truth_is_complete(small):
    for label in layout.subject_labels(2):
        brain = np.asarray(nib.load(layout.truth_mask_path(small, label)).dataobj) > 0
        for event in layout.EVENTS:
            weights = nib.load(layout.truth_weights_path(small, label, event)).get_fdata()
            assert weights.max() == pytest.approx(1, abs=1e-6)
            assert weights.min() >= 0
            assert not weights[~brain].any()
        courses = read_tsv(layout.truth_timeseries_path(small, label))
        assert len(courses) == len(read_tsv(layout.truth_motion_path(small, label))) == 60
        names = json.loads(
            layout.truth_networks_path(small, label)
            .with_name(f"sub-{label}_desc-networks_weights.json")
            .read_text()
        )["networks"]
        assert len(names) == nib.load(layout.truth_networks_path(small, label)).shape[3] == 20
        assert {f"component:{name}" for name in names} <= set(courses.columns)
        response = json.loads(layout.truth_responses_path(small, label).read_text())
        assert set(response["events"]) == set(layout.EVENTS)


def test_signal_to_noise_and_bold_change_are_realistic(full):
    series = in_brain(full, layout.bold_path(full, "01")).T
    scenario = Scenario()
    times = np.arange(scenario.volumes) * scenario.tr
    events = read_tsv(layout.events_path(full, "01"))
    design = make_first_level_design_matrix(times, events, high_pass=0.01)
    nuisance = design.drop(columns=list(layout.EVENTS)).to_numpy()
    residual = series - nuisance @ np.linalg.lstsq(nuisance, series, rcond=None)[0]
    assert 60 <= np.median(series.mean(axis=0) / residual.std(axis=0)) <= 100
    peaks = json.loads(layout.truth_responses_path(full, "01").read_text())["events"]
    assert all(0.01 <= peak["peak"] <= 0.02 for peak in peaks.values())
    outside = np.asarray(nib.load(layout.bold_path(full, "01")).dataobj[..., 0])
    brain = np.asarray(nib.load(layout.truth_mask_path(full, "01")).dataobj) > 0
    # Masking has work to do: there is scalp and noise outside.
    assert (outside[~brain] > 150).sum() > 200
    assert outside.min() >= 0


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The same still subject with the task and without it."""
    folder = tmp_path_factory.mktemp("pair")
    for name, activation in (("rest", 0.0), ("task", 1.0)):
        simulate_dataset(
            folder / name,
            1,
            0,
            voxel_mm=10,
            volumes=120,
            activation=activation,
            motion_mm=0.0,
            progress=False,
        )
    rest, task = (in_brain(folder / name, layout.bold_path(folder / name, "01")) for name in ("rest", "task"))
    return folder / "task", rest, task


def test_voxels_change_by_weight_times_peak_times_course(pair):
    folder, rest, task = pair
    courses = read_tsv(layout.truth_timeseries_path(folder, "01"))
    peaks = json.loads(layout.truth_responses_path(folder, "01").read_text())["events"]
    change = (task - rest) / rest.mean(axis=1, keepdims=True)
    for event, main in (("left-finger", "right-hand"), ("right-finger", "left-hand")):
        weights = in_brain(folder, layout.truth_weights_path(folder, "01", event))
        voxel = weights.argmax()
        expected = peaks[event]["peak"] * courses[f"event:{event}:{main}"].to_numpy()
        np.testing.assert_allclose(change[voxel], expected, atol=0.002)
        assert np.corrcoef(change[voxel], expected)[0, 1] > 0.97


def test_activation_zero_leaves_everything_else_as_it_was(pair):
    folder, rest, task = pair
    weights = [in_brain(folder, layout.truth_weights_path(folder, "01", event)) for event in layout.EVENTS]
    difference = np.abs(task - rest).max(axis=1)
    assert difference[np.sum(weights, axis=0) < 1e-4].max() < 0.5
    assert difference[np.max(weights, axis=0) > 0.8].min() > 3


@pytest.mark.parametrize("options", [{"subjects": 0}, {"subjects": 1.5}, {"seed": -1}])
def test_bad_arguments(tmp_path, options):
    arguments = {"subjects": 1, "seed": 0} | options
    with pytest.raises(ConfigError, match=next(iter(options))):
        simulate_dataset(tmp_path / "new", **arguments, scenario=SMALL, progress=False)
    assert not (tmp_path / "new").exists()


def test_too_short_a_run_fails_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="give at least"):
        simulate_dataset(tmp_path / "new", 1, 0, voxel_mm=12, volumes=32, progress=False)
    assert not (tmp_path / "new").exists()


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        simulate_dataset(tmp_path / "file" / "data", 1, 0, SMALL, progress=False)
