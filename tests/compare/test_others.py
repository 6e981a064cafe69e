import numpy as np
import pytest

from dca.compare.others import reference, sum_maps
from dca.errors import InputError
from dca.files import write_json
from dca.signals import Shard, write_shard

SHAPE = (4, 4, 4)


def make_run(folder, number, space, shift=0.0, events=("a", "b")):
    """Shard and GLM of a run; z of all voxels."""
    rng = np.random.default_rng(number)
    voxel = np.sort(rng.permutation(64)[:40])
    affine = np.eye(4)
    affine[0, 3] = shift
    attributes = dict.fromkeys(["source", "mask", "source_sha256", "mask_sha256"], "")
    attributes |= {"run_id": f"sub-{number}", "subject": str(number), "tr": 1.0, "affine": affine}
    attributes |= {"shape": SHAPE, "space": space, "seed": 0, "preprocessing": {}, "excluded": {}}
    ones = np.ones(40, np.float32)
    path = folder / f"{number}.h5"
    rows = rng.normal(size=(40, 40)).astype(np.float32)
    write_shard(path, [rows], length=40, voxel=voxel, mean=ones, std=ones, attributes=attributes)
    z = {event: rng.normal(size=40).astype(np.float32) for event in events}
    with Shard(path) as shard:
        for event, values in z.items():
            shard.save_volume(folder / str(number) / f"{event}_z.nii.gz", values)
    write_json(folder / str(number) / "summary.json", {"space": space, "events": list(events)})
    return path, z, voxel


def test_reference_is_the_mean_of_the_others(tmp_path):
    space = "MNI152NLin6Asym"
    runs = [make_run(tmp_path, n, space) for n in range(3)]
    runs.append(make_run(tmp_path, 3, space, events=("b",)))
    sum_maps([tmp_path / str(n) for n in range(4)], tmp_path / "sums.h5")
    whole = []
    for _, z, voxel in runs:
        volume = np.zeros(64)
        volume[voxel] = z.get("a", 0)
        whole.append(volume)
    with Shard(runs[0][0]) as shard:
        found = reference(tmp_path / "sums.h5", shard, "a", runs[0][1]["a"])
        assert found.runs == 2
        np.testing.assert_allclose(found.z, (whole[1] + whole[2])[shard.voxel] / 2, atol=1e-6)
        assert reference(tmp_path / "sums.h5", shard, "b", runs[0][1]["b"]).runs == 3
        assert reference(tmp_path / "sums.h5", shard, "c", runs[0][1]["a"]) is None


@pytest.mark.parametrize("space", [None, "T1w"])
def test_runs_in_spaces_of_their_own_are_not_laid_on_one_another(tmp_path, space):
    runs = [make_run(tmp_path, n, space) for n in range(2)]
    sum_maps([tmp_path / str(n) for n in range(2)], tmp_path / "sums.h5")
    with Shard(runs[0][0]) as shard:
        assert reference(tmp_path / "sums.h5", shard, "a", runs[0][1]["a"]) is None


def test_runs_on_other_grids_are_not_either(tmp_path):
    runs = [make_run(tmp_path, n, "MNI152NLin6Asym", shift=3.0 * n) for n in range(2)]
    sum_maps([tmp_path / str(n) for n in range(2)], tmp_path / "sums.h5")
    with Shard(runs[0][0]) as shard:
        assert reference(tmp_path / "sums.h5", shard, "a", runs[0][1]["a"]) is None


def test_damaged_files_are_named(tmp_path):
    path, z, _ = make_run(tmp_path, 0, "MNI152NLin6Asym")
    (tmp_path / "sums.h5").write_bytes(b"no")
    with Shard(path) as shard, pytest.raises(InputError, match=r"sums.h5: cannot be read"):
        reference(tmp_path / "sums.h5", shard, "a", z["a"])
    (tmp_path / "0" / "a_z.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a_z.nii.gz: cannot be read"):
        sum_maps([tmp_path / "0"], tmp_path / "sums.h5")
