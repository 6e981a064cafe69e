"""What a run leaves besides its image: links, figures, summaries."""

import json

import nibabel as nib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from dca.errors import ConfigError, ImageError
from dca.preprocess.confounds import write_confounds
from dca.preprocess.figures import carpet, tsnr
from dca.preprocess.link import link
from dca.preprocess.run import preprocess_run
from dca.preprocess.summary import temporal_snr, tsnr_map, write_summary


def test_compressed_input_is_linked(still, tmp_path):
    for _ in range(2):  # a second run replaces the link
        record = link(still, tmp_path / "out" / "desc-preproc_bold.nii.gz", tmp_path / "out" / "mean.nii.gz")
    out = tmp_path / "out" / "desc-preproc_bold.nii.gz"
    assert out.is_symlink()
    assert out.resolve() == still.resolve()
    assert record["method"] == "symbolic link"
    mean = np.asarray(nib.load(tmp_path / "out" / "mean.nii.gz").dataobj)
    np.testing.assert_allclose(mean, np.asarray(nib.load(still).dataobj).mean(axis=3), rtol=1e-4, atol=1e-3)


FMRIPREP = {"Name": "fMRIPrep", "Version": "23.1.3"}


@pytest.mark.parametrize(
    ("description", "programs"),
    [
        (
            {"DatasetType": "derivative", "GeneratedBy": [FMRIPREP, {"Name": "by hand"}]},
            "fMRIPrep 23.1.3, by hand",
        ),
        ({"PipelineDescription": FMRIPREP}, "fMRIPrep 23.1.3"),
        ({"GeneratedBy": [{"Name": "HeuDiConv"}]}, ""),  # raw data
        ({"DatasetType": "derivative", "GeneratedBy": "?"}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_programs_behind_derivatives_are_recorded(still, tmp_path, description, programs):
    bold = tmp_path / "fmriprep" / "sub-01" / "func" / "sub-01_bold.nii.gz"
    bold.parent.mkdir(parents=True)
    bold.symlink_to(still)  # as in a DataLad dataset: the image itself lies elsewhere
    if description is not None:
        (tmp_path / "fmriprep" / "dataset_description.json").write_text(json.dumps(description))
    record = link(bold, tmp_path / "out.nii.gz", tmp_path / "mean.nii.gz")
    assert record["made_by"] == programs


def test_uncompressed_input_is_compressed(save, tmp_path):
    source = save("bold.nii", np.random.default_rng(0).normal(size=(4, 4, 4, 5)).astype(np.float32))
    link(source, tmp_path / "desc-preproc_bold.nii.gz", tmp_path / "mean.nii.gz")
    out = tmp_path / "desc-preproc_bold.nii.gz"
    assert not out.is_symlink()
    np.testing.assert_array_equal(np.asarray(nib.load(out).dataobj), np.asarray(nib.load(source).dataobj))


def test_damaged_input_is_not_linked(still, tmp_path):
    still.write_bytes(still.read_bytes()[:-20_000])
    with pytest.raises(ImageError, match="damaged"):
        link(still, tmp_path / "out" / "desc-preproc_bold.nii.gz", tmp_path / "out" / "mean.nii.gz")
    assert not list(tmp_path.glob("out/*"))


def test_carpet_is_drawn_for_one_and_for_two_images(still, brain, save, tmp_path):
    write_confounds(still, brain, tmp_path / "confounds.tsv", tr=0.72)
    filtered = save("filtered.nii.gz", np.asarray(nib.load(still).dataobj)[..., ::-1])
    heights = []
    for after in (still, filtered):
        out = tmp_path / "carpet.png"
        carpet(still, after, brain, tmp_path / "confounds.tsv", out, tr=0.72, title="sub-01")
        image = imread(out)
        assert image[..., :3].std() > 0.1
        heights.append(image.shape[0])
        files = [out.with_suffix(suffix) for suffix in (".png", ".svg", ".pdf")]
        first = [path.read_bytes() for path in files]
        assert b"<svg" in first[1] and b"time (s)" in first[1] and first[2].startswith(b"%PDF")
        carpet(still, after, brain, tmp_path / "confounds.tsv", out, tr=0.72, title="sub-01")
        assert [path.read_bytes() for path in files] == first
    assert heights[1] > heights[0]


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn by `imshow`: arrays and their limits of colour."""
    shown, imshow = [], Axes.imshow

    def watch(axes, values, *arguments, **options):
        shown.append((np.asarray(values), options["vmin"], options["vmax"]))
        return imshow(axes, values, *arguments, **options)

    monkeypatch.setattr(Axes, "imshow", watch)
    return shown


@pytest.mark.parametrize("grid", ["the same", "another"])
def test_a_run_that_varies_less_is_paler_in_the_carpet(still, brain, save, tmp_path, drawn, grid):
    write_confounds(still, brain, tmp_path / "confounds.tsv", tr=0.72)
    raw = np.asarray(nib.load(still).dataobj)
    mean = raw.mean(axis=3, keepdims=True)
    calmer = save("calmer.nii.gz", (7 * (mean + 0.4 * (raw - mean))).astype(np.float32))  # and scaled
    other = {}
    if grid == "another":
        other = {"raw_mask": save("raw_brain.nii.gz", np.asarray(nib.load(brain).dataobj))}
    carpet(still, calmer, brain, tmp_path / "confounds.tsv", tmp_path / "carpet.png", tr=0.72, **other)
    (before, *limits), (after, *others) = drawn
    assert limits == others and limits[0] == -limits[1]
    assert before.std(axis=1).mean() == pytest.approx(1, abs=0.2 if other else 1e-6)
    np.testing.assert_allclose(after, 0.4 * before, atol=1e-4)
    np.testing.assert_allclose(after.mean(axis=1), 0, atol=1e-6)


def test_temporal_snr_before_and_after_is_on_one_scale(still, brain, save, tmp_path, drawn):
    raw = np.asarray(nib.load(still).dataobj)
    mean = raw.mean(axis=3, keepdims=True)
    calmer = save("calmer.nii.gz", (mean + 0.5 * (raw - mean)).astype(np.float32))
    tsnr(still, brain, calmer, brain, tmp_path / "tsnr.png")
    (limits,) = {tuple(limits) for _, *limits in drawn}
    assert len(drawn) == 14 and limits[0] == 0 and limits[1] > 0
    before, after = drawn[3][0], drawn[10][0]  # the slice in the middle
    known = np.isfinite(before)
    np.testing.assert_allclose(after[known], 2 * before[known], rtol=1e-3)


def test_temporal_snr_is_drawn_for_one_and_for_two_images(still, brain, save, tmp_path):
    halved = save("noisy.nii.gz", np.asarray(nib.load(still).dataobj)[..., ::-1])
    heights = []
    for after in (still, halved):
        tsnr(still, brain, after, brain, tmp_path / "tsnr.png", title="sub-01")
        heights.append(imread(tmp_path / "tsnr.png").shape[0])
        assert imread(tmp_path / "tsnr.png")[..., :3].std() > 0.1
        assert all((tmp_path / f"tsnr.{suffix}").stat().st_size for suffix in ("svg", "pdf"))
    assert heights[1] > heights[0]


def test_temporal_snr_is_mean_over_deviation(save):
    rng = np.random.default_rng(0)
    data = rng.normal(1000, 20, (8, 8, 8, 400)).astype(np.float32)
    data[0, 0, 0], data[1, 1, 1, 3] = 5, np.nan
    mask = save("mask.nii", np.ones((8, 8, 8), np.uint8))
    assert temporal_snr(save("bold.nii", data), mask) == pytest.approx(50, rel=0.01)
    ratio = tsnr_map(save("bold.nii", data), mask)
    assert ratio[2, 2, 2] == pytest.approx(data[2, 2, 2].mean() / data[2, 2, 2].std(), rel=1e-4)
    assert np.isnan(ratio[0, 0, 0]) and np.isnan(ratio[1, 1, 1])
    assert temporal_snr(save("constant.nii", np.full((8, 8, 8, 4), 3, np.float32)), mask) is None


def test_summary_gathers_the_steps(still, brain, tmp_path):
    steps = [{"step": "mask", "mask_voxels": 12}, {"step": "confounds", "mean_fd_mm": None, "given": None}]
    steps.append({"step": "motion", "unaligned_volumes": [3], "unusable_volumes": [5, 8]})
    steps.append({"step": "resample", "unusable_volumes": [], "warnings": ["look at this"]})
    summary = write_summary(
        tmp_path / "summary.json", still, brain, run_id="sub-01", backend="none", steps=steps
    )
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (summary["volumes"], summary["mask_voxels"], summary["mean_fd_mm"]) == (30, 12, None)
    assert summary["steps"] == steps
    assert 5 < summary["tsnr_median"] < 200
    assert summary["warnings"] == [
        "volumes [3] could not be aligned with the reference",
        "step motion: constant or empty volumes stay unregistered: 2 (5, 8)",
        "look at this",
    ]


def test_a_backend_of_the_workflow_alone_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"preprocess.backend.*workflow only"):
        preprocess_run(tmp_path / "bold.nii.gz", tmp_path / "out", tr=1.0, backend="fsl")
