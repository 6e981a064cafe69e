import subprocess
import sys

import h5py
import nibabel as nib
import numpy as np
import pytest

from dca.config import ROOT
from dca.denoise import denoise
from dca.errors import ModelError, ShardError
from dca.features import Features, encode
from dca.files import read_json, read_tsv
from dca.model import Architecture, build, save_model
from dca.reconstruction import write_examples
from dca.signals import Shard, write_shard


def make_shard(path, rows=23, length=40, tr=2.0):
    signals = np.random.default_rng(0).standard_normal((rows, length)).astype(np.float32)
    attributes = {
        "run_id": path.stem, "subject": "s", "tr": tr, "affine": np.eye(4),
        "shape": (rows, 1, 1), "space": None, "seed": 0,
        "source": "b", "mask": "m", "source_sha256": "1", "mask_sha256": "2",
        "preprocessing": {"highpass_s": 100}, "excluded": {"constant": 2},
    }  # fmt: skip
    voxel = np.random.default_rng(1).permutation(rows)
    write_shard(
        path,
        [signals],
        length=length,
        voxel=voxel,
        mean=np.zeros(rows),
        std=np.ones(rows),
        attributes=attributes,
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = build(Architecture(40, (3, 4), (5, 3), (2,), 6, 0.006, True), seed=2)
    save_model(model, folder, {"tr": 2.0, "preprocessing": [{"highpass_s": 100}]})
    return model, folder


@pytest.mark.parametrize("batch", [5, 23, 512])
def test_every_row_is_encoded_in_the_order_of_the_shard(trained, tmp_path, batch):
    model, folder = trained
    shard = make_shard(tmp_path / "run 1.h5")
    out = tmp_path / "features" / "run 1.h5"
    assert encode(shard, folder, out, batch=batch) == 23
    with Features(out) as features, Shard(shard) as source:
        assert (features.n_voxels, features.hidden, features.run_id) == (23, 6, "run 1")
        expected = model.encode(source.read(0, 23)).numpy()
        np.testing.assert_allclose(features.read(0, 23), expected, atol=1e-6)
        np.testing.assert_array_equal(features.voxel, source.voxel)
        blocks = list(features.blocks(10))
        assert [start for start, _ in blocks] == [0, 10, 20]
        np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), features.read(0, 23))
    with h5py.File(out) as written, h5py.File(shard) as source:
        assert set(written.attrs) == set(source.attrs) | {"model_sha256"}
        assert written["H"].dtype == np.float32


def test_codes_of_sixteen_bits_are_read_as_float32(trained, tmp_path):
    shard = make_shard(tmp_path / "run.h5")
    for storage in ("float32", "float16"):
        encode(shard, trained[1], tmp_path / f"{storage}.h5", storage=storage)
    with Features(tmp_path / "float32.h5") as whole, Features(tmp_path / "float16.h5") as half:
        exact, rounded = whole.read(0, 23), half.read(0, 23)
    assert rounded.dtype == np.float32
    np.testing.assert_allclose(rounded, exact, rtol=2**-11, atol=1e-7)
    assert (rounded != exact).any()


def test_codes_that_sixteen_bits_cannot_hold_are_refused(tmp_path):
    model = build(Architecture(40, (3, 4), (5, 3), (2,), 6, 0.006, True), seed=2)
    model.to_hidden.bias.assign(np.full(6, 1e5))
    save_model(model, tmp_path / "model", {"tr": 2.0})
    with pytest.raises(ModelError, match=r"float16 cannot hold; set encode\.storage: float32"):
        encode(make_shard(tmp_path / "run.h5"), tmp_path / "model", tmp_path / "f.h5", storage="float16")
    assert not (tmp_path / "f.h5").exists()


def test_encoding_twice_gives_the_same_bytes(trained, tmp_path):
    shard = make_shard(tmp_path / "run.h5")
    for name in ("one", "two"):
        encode(shard, trained[1], tmp_path / name / "f.h5")
    assert (tmp_path / "one" / "f.h5").read_bytes() == (tmp_path / "two" / "f.h5").read_bytes()


@pytest.mark.parametrize(
    ("change", "problem"), [({"length": 44}, "44"), ({"tr": 2.5}, r"TR of 2 s, run has 2\.5 s")]
)
def test_a_run_that_the_model_is_not_for_is_refused(trained, tmp_path, change, problem):
    shard = make_shard(tmp_path / "run.h5", **change)
    with pytest.raises(ModelError, match=problem):
        encode(shard, trained[1], tmp_path / "f.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_the_denoised_image_has_mean_scale_and_grid_of_the_run(trained, tmp_path):
    model, folder = trained
    rng = np.random.default_rng(3)
    signals, mean, std = rng.standard_normal((20, 40)), rng.uniform(500, 900, 20), rng.uniform(5, 9, 20)
    affine = np.array([[-3.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, 5], [0, 0, 0, 1]])
    attributes = dict.fromkeys(("source", "mask", "source_sha256", "mask_sha256"), "x")
    attributes |= {"run_id": "r", "subject": "s", "tr": 2.0, "affine": affine, "shape": (4, 3, 2), "seed": 0}
    attributes |= {"space": "MNI152NLin6Asym", "preprocessing": {"highpass_s": 100}, "excluded": {}}
    voxel = rng.permutation(24)[:20]
    write_shard(
        tmp_path / "r.h5", [signals], length=40, voxel=voxel, mean=mean, std=std, attributes=attributes
    )
    denoise(tmp_path / "r.h5", folder, tmp_path / "r.nii.gz", batch=7)
    image = nib.load(tmp_path / "r.nii.gz")
    assert image.shape == (4, 3, 2, 40) and image.get_data_dtype() == np.float32
    assert image.header.get_zooms()[3] == 2 and image.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_array_equal(image.affine, affine)
    expected = model(signals.astype(np.float32)).numpy() * std[:, None] + mean[:, None]
    found = image.get_fdata().reshape(24, 40)
    np.testing.assert_allclose(found[voxel], expected, rtol=1e-5)
    assert not np.delete(found, voxel, axis=0).any()


def test_a_model_for_series_of_another_normalisation_is_refused(trained, tmp_path):
    save_model(trained[0], tmp_path / "model", {"tr": 2.0, "normalisation": "percent change"})
    with pytest.raises(ModelError, match="is for series normalised as `percent change`"):
        encode(make_shard(tmp_path / "run.h5"), tmp_path / "model", tmp_path / "f.h5")


def test_files_that_are_not_features_are_refused(tmp_path):
    with pytest.raises(ShardError, match="does not exist"):
        Features(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ShardError, match="not HDF5"):
        Features(tmp_path / "text.h5")
    with pytest.raises(ShardError, match="not a file of features"):
        Features(make_shard(tmp_path / "shard.h5"))


def test_examples_are_the_best_the_median_and_the_worst_of_a_sample(trained, tmp_path):
    model, folder = trained
    shard, out = make_shard(tmp_path / "run.h5"), tmp_path / "run_reconstruction.tsv"
    write_examples(shard, folder, out, sample=9)
    with Shard(shard) as source:
        signals, voxel = source.read(0, 9), source.voxel
    models = model.call(signals).numpy()
    r = np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(signals, models, strict=True)])
    table, said = read_tsv(out), read_json(out.with_suffix(".json"))
    assert list(table["time_s"][:2]) == [0, 2] and list(table) == list(said)
    for name, row in zip(("best", "median", "worst"), np.argsort(-r)[[0, 4, 8]], strict=True):
        assert said[name]["r"] == pytest.approx(r[row], abs=1e-4) and said[name]["voxels"] == 9
        assert said[name]["position_mm"] == [voxel[row], 0, 0]
        np.testing.assert_allclose(table[name], signals[row], atol=1e-5)
        np.testing.assert_allclose(table[f"{name}_model"], models[row], atol=1e-4)


def test_examples_come_before_the_features_that_their_failure_would_delete(tmp_path):
    code = f"""
import runpy
from pathlib import Path
from types import SimpleNamespace as Names
from dca import features, reconstruction

def write_examples(*_, **__):
    raise ValueError("no examples")

reconstruction.write_examples = write_examples
features.encode = lambda *_, **__: Path("encoded").touch()
snakemake = Names(
    log=["job.log"],
    threads=1,
    params=Names(storage="float32"),
    input=Names(shard="s.h5", card="model/card.json"),
    output=Names(features="f.h5", examples="f.tsv"),
)
runpy.run_path({str(ROOT / "workflow/scripts/features.py")!r}, {{"snakemake": snakemake}})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "no examples" in done.stderr
    assert not (tmp_path / "encoded").exists()
