import h5py
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca.errors import ShardError
from dca.signals.shard import SCHEMA, Shard, chunk_rows, write_shard

SHAPE, T = (4, 5, 6), 40
AFFINE = np.array([[-3.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, 5], [0, 0, 0, 1]])


def attributes(**changes):
    return {
        "run_id": "sub-01_task-x",
        "subject": "01",
        "tr": 0.72,
        "affine": AFFINE,
        "shape": SHAPE,
        "space": None,
        "seed": 3,
        "source": "bold.nii.gz",
        "mask": "mask.nii.gz",
        "source_sha256": "a",
        "mask_sha256": "b",
        "preprocessing": {"backend": "native", "highpass_s": 100},
        "excluded": {"constant": 2},
    } | changes


def columns(rows, voxel):
    return {"length": T, "voxel": voxel, "mean": rows[:, 0], "std": rows[:, 1]}


@pytest.fixture
def shard(tmp_path):
    """A shard of 50 voxels: its path, rows and voxel indices."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((50, T)).astype(np.float32)
    voxel = rng.permutation(np.prod(SHAPE))[:50]
    path = tmp_path / "dir with space ü" / "run.h5"
    write_shard(
        path,
        (rows[:30], rows[30:]),
        **columns(rows, voxel),
        attributes=attributes(),
    )
    return path, rows, voxel


def test_reads_back_what_was_written(shard):
    path, rows, voxel = shard
    with Shard(path) as s:
        assert (s.n_voxels, s.length, s.tr, s.shape) == (50, T, 0.72, SHAPE)
        assert (s.run_id, s.subject, s.space, s.excluded) == ("sub-01_task-x", "01", None, {"constant": 2})
        assert s.attributes["preprocessing"]["highpass_s"] == 100
        np.testing.assert_array_equal(s.affine, AFFINE)
        np.testing.assert_array_equal(s.voxel, voxel)
        np.testing.assert_array_equal(s.mean, rows[:, 0])
        np.testing.assert_array_equal(s.std, rows[:, 1])
        np.testing.assert_array_equal(s.read(45, 60), rows[45:])
        assert s.read(7, 7).shape == (0, T)
        starts, blocks = zip(*s.blocks(rows=16), strict=True)
    assert starts == (0, 16, 32, 48)
    np.testing.assert_array_equal(np.concatenate(blocks), rows)


def test_bytes_are_reproducible(shard, tmp_path):
    path, rows, voxel = shard
    again = tmp_path / "again.h5"
    write_shard(again, [rows], **columns(rows, voxel), attributes=attributes())
    assert again.read_bytes() == path.read_bytes()


def test_volume_holds_each_row_at_its_voxel(shard):
    path, rows, voxel = shard
    with Shard(path) as s:
        volume = s.to_volume(rows[:, :3], fill=-1)
        assert volume.shape == (*SHAPE, 3)
        for row in (0, 17, 49):
            np.testing.assert_array_equal(volume[np.unravel_index(voxel[row], SHAPE)], rows[row, :3])
        assert (volume == -1).all(axis=-1).sum() == np.prod(SHAPE) - 50
        with pytest.raises(ValueError, match="Received"):
            s.to_volume(rows[:-1, 0])


@pytest.mark.parametrize(("space", "code"), [("MNI152NLin6Asym", 4), ("n/a", 1)])
def test_saved_volume_keeps_the_space(shard, tmp_path, space, code):
    path, rows, _ = shard
    with h5py.File(path, "r+") as file:
        file.attrs["space"] = space
    out = tmp_path / "map.nii.gz"
    with Shard(path) as s:
        s.save_volume(out, rows[:, 0])
        expected = s.to_volume(rows[:, 0])
    image = nib.load(out)
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), expected)
    np.testing.assert_allclose(image.affine, AFFINE)
    assert (image.header["sform_code"], image.header["qform_code"]) == (code, code)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert [p.name for p in tmp_path.glob("*.nii.gz")] == ["map.nii.gz"]


def test_a_sheared_affine_is_not_put_into_the_qform(shard, tmp_path):
    path, rows, _ = shard
    sheared = AFFINE.copy()
    sheared[0, 1] = 1.5
    with h5py.File(path, "r+") as file:
        file.attrs["affine"] = sheared
    with Shard(path) as s:
        s.save_volume(tmp_path / "map.nii.gz", rows[:, 0])
    image = nib.load(tmp_path / "map.nii.gz")
    np.testing.assert_allclose(image.affine, sheared)
    assert image.header["qform_code"] == 0


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def other_version(path):
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = SCHEMA + 1


def no_schema(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["schema"]


def no_dataset(path):
    with h5py.File(path, "r+") as file:
        del file["mean"]


def short_dataset(path):
    with h5py.File(path, "r+") as file:
        del file["mean"]
        file["mean"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: path.write_text("no HDF5"), "not HDF5"),
        (cut, "cut off"),
        (other_version, f"schema version {SCHEMA + 1}"),
        (no_schema, "is not a shard"),
        (no_dataset, "lacks the datasets mean"),
        (short_dataset, "do not agree"),
    ],
)
def test_damage_is_named(shard, damage, message):
    path = shard[0]
    damage(path)
    with pytest.raises(ShardError, match=message) as caught:
        Shard(path)
    assert str(path) in str(caught.value)


def test_writer_refuses_missing_rows_and_attributes(shard, tmp_path):
    _, rows, voxel = shard
    with pytest.raises(ValueError, match="50 rows"):
        write_shard(tmp_path / "x.h5", [rows[:20]], **columns(rows, voxel), attributes=attributes())
    with pytest.raises(ValueError, match="seed"):
        incomplete = {k: v for k, v in attributes().items() if k != "seed"}
        write_shard(tmp_path / "x.h5", [rows], **columns(rows, voxel), attributes=incomplete)
    assert not list(tmp_path.glob("*.h5"))


@given(st.integers(1, 10**7))
def test_chunks_are_about_a_mebibyte(length):
    rows = chunk_rows(length)
    assert rows & (rows - 1) == 0
    assert rows == 1 or 0.7 <= rows * length * 4 / 2**20 <= 1.42
