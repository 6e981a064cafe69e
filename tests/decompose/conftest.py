"""A small run with known networks: its shard, features and model folder."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from dca.files import write_json
from dca.model.architecture import Architecture
from dca.model.card import make_card
from dca.signals import Shard, write_shard

SHAPE, T, N, NETWORKS, HIDDEN = (7, 8, 9), 48, 300, 6, 10
AFFINE = np.array([[-3.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, 5], [0, 0, 0, 1]])
ATTRIBUTES = {
    "run_id": "sub-01_task-x",
    "subject": "01",
    "tr": 2.0,
    "affine": AFFINE,
    "shape": SHAPE,
    "space": None,
    "seed": 0,
    "source": "bold.nii.gz",
    "mask": "mask.nii.gz",
    "source_sha256": "a",
    "mask_sha256": "b",
    "preprocessing": {},
    "excluded": {},
}


def make_shard(path, rows):
    """Write a shard of the given rows at random places of the grid."""
    count, length = rows.shape
    voxel = np.random.default_rng(5).permutation(np.prod(SHAPE))[:count]
    ones = np.ones(count)
    write_shard(path, [rows], length=length, voxel=voxel, mean=ones, std=ones, attributes=ATTRIBUTES)
    return path


def make_features(path, shard, codes, weights_sha256):
    """Write features of the voxels of a shard."""
    with Shard(shard) as source, h5py.File(path, "w") as file:
        file["H"], file["voxel"] = np.asarray(codes, np.float32), source.voxel
        file.attrs.update({"run_id": source.run_id, "model_sha256": weights_sha256})
    return path


@pytest.fixture(scope="session")
def networks():
    """Time courses (T × networks), and which network each voxel belongs to."""
    rng = np.random.default_rng(1)
    courses, _ = np.linalg.qr(rng.normal(size=(T, NETWORKS + 1)) + 1)
    courses -= courses.mean(axis=0)
    return courses[:, :NETWORKS] / np.linalg.norm(courses[:, :NETWORKS], axis=0), rng.integers(
        NETWORKS, size=N
    )


@pytest.fixture(scope="session")
def run(tmp_path_factory, networks):
    """Paths of one run in a folder with a space and an umlaut in its name."""
    folder = tmp_path_factory.mktemp("study ü")
    courses, member = networks
    rng = np.random.default_rng(2)
    rows = courses.T[member] * rng.choice([1, 1, 1, -1], size=(N, 1)) * np.sqrt(T)
    rows += 0.4 * rng.normal(size=rows.shape)
    rows = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    shard = make_shard(folder / "run.h5", rows.astype(np.float32))
    codes = rows[:, :HIDDEN] + 5
    features = make_features(folder / "features.h5", shard, codes, "f00d")
    # A model folder whose weights are never read: decoding is replaced where it is used.
    card = make_card(Architecture(T, (2, 2), (3, 3), (2,), HIDDEN, 0.0, False), "f00d", 0, {})
    write_json(folder / "model" / "card.json", card)
    return SimpleNamespace(
        folder=folder, shard=shard, features=features, model=folder / "model", rows=rows, codes=codes
    )
