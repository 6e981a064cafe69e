import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dca.decompose import learn, write_maps
from dca.decompose.result import read_coefficients, read_dictionary
from dca.errors import ConfigError, InputError
from dca.files import write_tsv
from dca.signals import Shard

from .conftest import AFFINE, SHAPE, N, T

K = 25
SETTINGS = {"atoms": K, "normalise": "unit", "lam": 0.3, "batch_size": 64, "passes": 2, "seed": 0}


@pytest.fixture(scope="module")
def learnt(run, tmp_path_factory):
    """Folder of a learnt dictionary."""
    folder = tmp_path_factory.mktemp("learnt")
    learn(run.shard, folder, setup="raw", **SETTINGS)
    return folder


@pytest.fixture(scope="module")
def design(learnt):
    """A design whose events are atoms 3, 8 (turned round) and 3 again, with noise, and a constant."""
    D, rng = read_dictionary(learnt, T), np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "left": 5 * D[:, 3] + 0.01 * rng.normal(size=T) + 2,
            "right": -D[:, 8] + 0.01 * rng.normal(size=T),
            "cue": D[:, 3] + 0.05 * rng.normal(size=T),
            "constant": 1.0,
        }
    )
    write_tsv(learnt / "design.tsv", table, {})
    return learnt / "design.tsv"


def expected(run, learnt, atom, sign=1):
    with Shard(run.shard) as shard:
        return shard.to_volume(sign * read_coefficients(learnt, (K, N))[[atom]].toarray()[0])


def test_best_atoms_follow_their_events(run, learnt, design, tmp_path):
    out = tmp_path / "maps.nii.gz"
    card = write_maps(run.shard, learnt, design, ["left", "right", "cue"], "best", out)
    assert card == json.loads((tmp_path / "maps.json").read_text())
    chosen = [(v["volume"], v["index"], v["atom"], v["sign"], v["event"]) for v in card["volumes"]]
    assert chosen == [
        (0, 3, "atom_003", 1, "left"),
        (1, 8, "atom_008", -1, "right"),
        (2, 3, "atom_003", 1, "cue"),
    ]
    assert card["best"]["right"] == {
        "atom": "atom_008",
        "index": 8,
        "sign": -1,
        "pcc": pytest.approx(1, abs=0.01),
    }
    data = nib.load(out).get_fdata(dtype=np.float32)
    for volume, (atom, sign) in enumerate([(3, 1), (8, -1), (3, 1)]):
        np.testing.assert_array_equal(data[..., volume], expected(run, learnt, atom, sign))
    assert data[..., 1].sum() < 0 < data[..., 0].sum()


def test_all_atoms_on_the_grid_of_the_run(run, learnt, design, tmp_path):
    out = tmp_path / "maps.nii.gz"
    card = write_maps(run.shard, learnt, design, ["left", "right", "cue"], "all", out)
    image = nib.load(out)
    assert image.shape == (*SHAPE, K)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(image.affine, AFFINE)
    assert (image.header["sform_code"], image.header["qform_code"]) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"
    data = image.get_fdata(dtype=np.float32)
    for atom in range(K):
        np.testing.assert_array_equal(data[..., atom], expected(run, learnt, atom))
    assert [v["index"] for v in card["volumes"]] == list(range(K))
    assert {v["sign"] for v in card["volumes"]} == {1}
    events = {v["index"]: v["event"] for v in card["volumes"] if v["event"]}
    assert events == {3: "left", 8: "right"}  # the stronger of two events
    assert set(card["best"]) == {"left", "right", "cue"}


def test_at_rest_the_strongest_atoms(run, learnt, tmp_path):
    card = write_maps(run.shard, learnt, None, [], "best", tmp_path / "maps.nii.gz")
    assert [v["index"] for v in card["volumes"]] == list(range(20))
    assert {v["event"] for v in card["volumes"]} == {None}
    data = nib.load(tmp_path / "maps.nii.gz").get_fdata()
    energy = np.square(data).sum(axis=(0, 1, 2))
    assert (np.diff(energy) <= 1e-9).all()


def test_maps_are_the_same_bytes_again(run, learnt, design, tmp_path):
    for name in ("a", "b"):
        write_maps(run.shard, learnt, design, ["left"], "all", tmp_path / name / "maps.nii.gz")
    assert (tmp_path / "a/maps.nii.gz").read_bytes() == (tmp_path / "b/maps.nii.gz").read_bytes()


def test_what_does_not_fit_is_refused(run, learnt, design, tmp_path):
    out = tmp_path / "maps.nii.gz"
    with pytest.raises(ConfigError, match="choose best or all"):
        write_maps(run.shard, learnt, design, ["left"], "some", out)
    with pytest.raises(InputError, match="lacks the event tongue"):
        write_maps(run.shard, learnt, design, ["left", "tongue"], "best", out)
    with pytest.raises(InputError, match="run has events"):
        write_maps(run.shard, learnt, None, ["left"], "best", out)
    short = tmp_path / "short.tsv"
    write_tsv(short, pd.read_csv(design, sep="\t").iloc[:-1], {})
    with pytest.raises(InputError, match=f"has {T - 1} rows"):
        write_maps(run.shard, learnt, short, ["left"], "best", out)
    with pytest.raises(InputError, match="does not exist"):
        write_maps(run.shard, tmp_path, design, ["left"], "best", out)
    assert not out.exists()
