import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dca.compare import GroupRun, replicate
from dca.compare.replication import COLUMNS
from dca.files import read_json, write_tsv

from .test_others import make_run

ATOMS, VOLUMES = 9, 40


@pytest.fixture
def runs(tmp_path):
    """Four runs of one design: atom 4 follows `a` upside down in its own voxels, in all but the last."""
    rng = np.random.default_rng(0)
    design = pd.DataFrame(rng.normal(size=(VOLUMES, 2)), columns=["a", "b"])
    home = rng.normal(size=(ATOMS, 64))
    found = []
    for number in range(4):
        path, _, voxel = make_run(tmp_path, number, "MNI152NLin6Asym")
        courses = rng.normal(size=(VOLUMES, ATOMS))
        if number < 3:
            courses[:, 4] = -design["a"] + 0.2 * rng.normal(size=VOLUMES)
        codes = home[:, voxel] + 0.5 * rng.normal(size=(ATOMS, 40))
        folder = tmp_path / f"coded{number}"
        names = [f"atom_{k:03d}" for k in range(ATOMS)]
        write_tsv(folder / "dictionary.tsv", pd.DataFrame(courses, columns=names), {})
        sparse.save_npz(folder / "coefficients.npz", sparse.csr_array(codes.astype(np.float32)))
        write_tsv(tmp_path / str(number) / "design.tsv", design, {})
        split = "train" if number < 2 else "validation"
        design_file = tmp_path / str(number) / "design.tsv"
        found.append(GroupRun(f"sub-{number}", str(number), split, ("a", "b"), path, design_file, folder))
    return found


def test_the_atom_of_the_training_runs_is_looked_at_in_held_out_ones(runs, tmp_path):
    table = replicate({"raw-group": runs}, tmp_path / "replication.tsv")
    assert list(table) == list(COLUMNS) == list(read_json(tmp_path / "replication.json"))
    assert len(table) == 4 and set(table["split"]) == {"validation"}
    good, bad = (table[(table["subject"] == n) & (table["event"] == "a")].iloc[0] for n in "23")
    assert (good["atom"], good["sign"], good["training_runs"]) == (4, -1, 2)
    assert good["pcc"] > 0.9 and abs(bad["pcc"]) < 0.5
    assert good["map_rank"] == 1 and good["map_r"] > 0.6
    assert abs(good["map_r_others"]) < 0.3


def test_without_held_out_or_training_runs_there_are_no_rows(runs, tmp_path):
    assert replicate({"raw-group": runs[:2]}, tmp_path / "r.tsv").empty
    assert replicate({"raw-group": runs[2:]}, tmp_path / "r.tsv").empty


def test_maps_in_spaces_of_their_own_are_not_compared(runs, tmp_path):
    for run in runs:
        make_run(tmp_path, int(run.subject), None)
    table = replicate({"raw-group": runs}, tmp_path / "r.tsv")
    assert table["map_r"].isna().all() and (table["training_runs"] == 0).all()
