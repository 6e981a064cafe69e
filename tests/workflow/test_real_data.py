"""Real runs through the whole pipeline; the numbers they should reach are in docs/real-data.md."""

import nibabel as nib
import numpy as np
import pytest

from dca.files import read_json, read_tsv
from dca.signals import Shard

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.real_data,
    pytest.mark.horovod,
    pytest.mark.xdist_group("real"),
    pytest.mark.timeout(1800),
]

PICTURES = ["body", "face", "house", "object", "scene", "scramble"]
LEFT_RIGHT = {"clicGaudio": 1, "clicGvideo": 1, "clicDaudio": -1, "clicDvideo": -1}
QUICK = {
    "model": {"features": [4, 8, 8, 8], "filters": [9, 5, 5, 5]},
    "train": {"max_steps": 30, "batch_size": 256},
    "decompose": {"atoms": 30},
    "compare": {"surrogates": 50},
}


@pytest.fixture(scope="module")
def native(new_study, real_data):
    """The visual localiser through everything, with the default backend."""
    study = new_study(
        QUICK,
        input={"source": "bids", "path": str(real_data / "studyforrest-visloc")},
        glm={"contrasts": {"all-pictures": dict.fromkeys(PICTURES, 1 / 6)}},
    )
    study.snakemake()
    return study


def until_glm(study):
    """Results that do not need a training."""
    return {name for name in study.files() if name.startswith(("preprocess/", "signals/", "glm/"))}


@pytest.mark.browser
def test_visual_localiser_with_the_native_backend(native, visit, browsing):
    study = native
    summary = read_json(next(study.results.glob("glm/*/summary.json")))
    peak = summary["maps"]["all-pictures"]
    assert peak["peak_z"] > 12
    assert peak["peak_mm"][1] < -50  # at the back of the head
    table = read_tsv(study.results / "compare/pcc.tsv")
    assert set(table["event"]) == set(PICTURES) and set(table["setup"]) == {"raw", "dca"}
    assert (study.results / "report/02.html").is_file()
    browsing.look_over(visit, study.results / "report")
    browsing.use(visit, study.results / "report")


def test_visual_localiser_with_the_backend_fsl(native, new_study, real_data, fsl_standins, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(fsl_standins))
    study = new_study(
        QUICK,
        input={"source": "bids", "path": str(real_data / "studyforrest-visloc")},
        preprocess={"backend": "fsl"},
        glm={"contrasts": {"all-pictures": dict.fromkeys(PICTURES, 1 / 6)}},
    )
    study.snakemake("glm")
    # The same files from the same settings, and beside them only MCFLIRT's matrices.
    more = until_glm(study) - until_glm(native)
    assert until_glm(native) <= until_glm(study)
    assert {name.rsplit("/", 1)[1] for name in more} == {"motion_xfm.tsv", "motion_xfm.json"}
    peak = read_json(next(study.results.glob("glm/*/summary.json")))["maps"]["all-pictures"]
    assert peak["peak_z"] > 12
    assert peak["peak_mm"][1] < -50


def test_preprocessed_localiser_with_the_backend_none(new_study, real_data):
    study = new_study(
        QUICK,
        input={"source": "bids", "path": str(real_data / "pinel-localizer-rois")},
        preprocess={"backend": "none"},
        glm={"contrasts": {"left-right": LEFT_RIGHT}},
    )
    study.snakemake()
    run = next(study.results.glob("signals/*.h5")).stem
    with Shard(study.results / f"signals/{run}.h5") as shard:
        assert shard.n_voxels == 6443
    z = nib.load(study.results / f"glm/{run}/left-right_z.nii.gz")
    assert np.nanmax(np.asarray(z.dataobj)) > 3
    assert (study.results / "report/01.html").is_file()
