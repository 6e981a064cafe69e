import shutil
from itertools import product

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dca.compare import compare_run, gather, sum_maps
from dca.compare.atoms import ATOM_COLUMNS, judge_atoms
from dca.compare.group import OVERALL, compare_setups
from dca.compare.nulls import make_nulls, p_value
from dca.compare.pcc import standardise
from dca.compare.run import COLUMNS
from dca.errors import InputError
from dca.files import read_json, read_tsv, write_json, write_tsv
from dca.glm.design import make_design
from dca.preprocess.regress import residual_operator
from dca.preprocess.rigid import PARAMETERS
from dca.signals import Shard, write_shard

TR, VOLUMES, SHAPE, ATOMS = 1.0, 200, (4, 4, 4), 12


@pytest.fixture
def study(tmp_path):
    """A run with its GLM and a dictionary whose atom 5 is the event `b` upside down."""
    rng = np.random.default_rng(0)
    voxel = rng.permutation(64)[:50]
    attributes = dict.fromkeys(["source", "mask", "source_sha256", "mask_sha256"], "")
    attributes |= {"run_id": "sub-01_task-x", "subject": "01", "tr": TR, "affine": np.eye(4), "shape": SHAPE}
    attributes |= {"space": None, "seed": 0, "preprocessing": {}, "excluded": {}}
    signals = rng.normal(size=(50, VOLUMES)).astype(np.float32)
    ones = np.ones(50, np.float32)
    path = tmp_path / "run.h5"
    write_shard(path, [signals], length=VOLUMES, voxel=voxel, mean=ones, std=ones, attributes=attributes)
    onsets = 5 + 16.0 * np.arange(12)
    events = pd.DataFrame({"onset": onsets, "duration": 10.0, "trial_type": list("abcdacdbdbca")})
    write_tsv(tmp_path / "events.tsv", events, {})
    design = make_design(events, VOLUMES, TR).table
    write_tsv(tmp_path / "glm" / "design.tsv", design, {})
    z = rng.normal(size=(50, 4))
    z[:10, 1] = 4 + np.arange(10) / 10
    with Shard(path) as shard:
        for name, values in zip("abcd", z.T, strict=True):
            shard.save_volume(tmp_path / "glm" / f"{name}_z.nii.gz", values)
    dictionary = rng.normal(size=(VOLUMES, ATOMS))
    dictionary[:, 5] = -design["b"]
    atoms = pd.DataFrame(dictionary, columns=[f"atom_{k:03d}" for k in range(ATOMS)])
    coefficients = sparse.random_array((ATOMS, 50), density=0.2, rng=rng, dtype=np.float32).tolil()
    coefficients[5] = np.where(z[:, 1] > 3.1, -z[:, 1], 0)
    for setup in ("raw", "dca"):
        write_tsv(tmp_path / setup / "dictionary.tsv", atoms, {})
        sparse.save_npz(tmp_path / setup / "coefficients.npz", coefficients.tocsr())
    return tmp_path


def compare(study, out="out.tsv", **options):
    given = {"raw": study / "raw", "dca": study / "dca"}
    settings = {
        "split": "validation",
        "surrogates": 99,
        "highpass_s": 100.0,
        "decompositions": given,
    } | options
    return compare_run(
        study / out,
        shard=study / "run.h5",
        events=study / "events.tsv",
        glm=study / "glm",
        **settings,
    )


def test_table_of_a_run(study):
    table = compare(study)
    assert list(table) == list(COLUMNS) == list(read_json(study / "out.json"))
    assert len(table) == 8
    row = table[(table["setup"] == "dca") & (table["event"] == "b")].iloc[0]
    assert (row["atom"], row["sign"], row["null"], row["surrogates"]) == (5, -1, "order", 99)
    assert row["pcc"] == pytest.approx(1)
    assert row["p"] < 0.05
    assert row["dice"] == pytest.approx(1)
    assert row["spatial_r"] > 0.8
    assert row["null_mean"] < row["null_p95"] < 0.9
    assert 50 < row["distinct"] <= 99
    assert row["p"] <= row["p_corrected"] < 0.3 and np.isnan(row["p_phase"])
    assert row["heldout_pcc"] == pytest.approx(1) and row["heldout_p"] <= 0.1
    assert -1 <= row["heldout_r"] <= 1 and 0 < row["heldout_r_p"] <= 1
    assert row["others"] == 0 and np.isnan(row["others_r"])


def test_designs_lose_the_line_that_the_signals_lost(study):
    with h5py.File(study / "run.h5", "a") as file:
        file.attrs["detrended"] = True
    events = read_tsv(study / "events.tsv")
    design = make_design(events, VOLUMES, TR, detrended=True).table
    write_tsv(study / "glm" / "design.tsv", design, {})
    atoms = read_tsv(study / "dca" / "dictionary.tsv").assign(atom_005=-design["b"])
    write_tsv(study / "dca" / "dictionary.tsv", atoms, {})
    row = compare(study).query("setup == 'dca' and event == 'b'").iloc[0]
    assert row["pcc"] == pytest.approx(1, abs=1e-9)


def test_every_atom_has_its_p(study):
    table = compare(study, atoms=study / "atoms.tsv").set_index(["setup", "event"])
    every = read_tsv(study / "atoms.tsv")
    assert list(every) == list(ATOM_COLUMNS) == list(read_json(study / "atoms.json"))
    assert len(every) == 2 * 4 * ATOMS and set(every["split"]) == {"validation"}
    assert (every["p"] <= every["p_corrected"]).all()
    best = every.loc[every["p_corrected"].groupby([every["setup"], every["event"]]).idxmin()]
    for row in best.to_dict("records"):
        of_event = table.loc[(row["setup"], row["event"])]
        assert row["p_corrected"] == of_event["p"]  # the best atom's is that of the choice of the best
    atom = every[(every["setup"] == "dca") & (every["event"] == "b") & (every["atom"] == 5)].iloc[0]
    assert atom["pcc"] == pytest.approx(-1, abs=1e-4) and atom["p"] == 0.01
    # By chance every p is as likely as any other.
    others = every[every["atom"] != 5]["p"]
    assert others.between(0.01, 1).all() and 0.3 < others.mean() < 0.7


def test_of_shifts_and_phases_the_larger_p_of_an_atom_counts(study):
    """As in the table of the best atoms, whose `p_phase` tells where phases have the larger p."""
    few = pd.DataFrame({"onset": [10.0, 60, 100, 150], "duration": 10.0, "trial_type": list("abcd")})
    write_tsv(study / "events.tsv", few, {})
    write_tsv(study / "glm" / "design.tsv", make_design(few, VOLUMES, TR).table, {})
    table = compare(study, atoms=study / "atoms.tsv").set_index(["setup", "event"])
    every = read_tsv(study / "atoms.tsv").groupby(["setup", "event"])["p_corrected"].min()
    assert set(table["null"]) == {"shift+phase"}
    pd.testing.assert_series_equal(every, table["p"], check_names=False, check_like=True)
    nulls = make_nulls(few, VOLUMES, TR, hrf="spm", highpass_s=100.0, count=99, rng=np.random.default_rng(0))
    dictionary = read_tsv(study / "dca" / "dictionary.tsv").to_numpy()
    alone = judge_atoms(nulls, dictionary).set_index("event")["p"]
    for event, null in nulls.items():
        pcc = np.abs(null.truth @ standardise(dictionary))
        kinds = [np.abs(null.regressors(kind).T @ standardise(dictionary)) for kind in ("shift", "phase")]
        p = [[p_value(x, drawn) for x, drawn in zip(pcc, kind.T, strict=True)] for kind in kinds]
        np.testing.assert_array_equal(alone[event], np.max(p, axis=0))
        assert np.argmax(p, axis=0).any() and not np.argmax(p, axis=0).all()  # now this, now that


def test_maps_of_other_runs_count(study):
    with Shard(study / "run.h5") as shard:
        attributes = {k: v for k, v in shard.attributes.items() if k != "schema"} | {
            "space": "MNI152NLin6Asym"
        }
        voxel, signals, ones = shard.voxel, shard.read(0, 50), np.ones(50)
        z = {name: nib.load(study / "glm" / f"{name}_z.nii.gz").get_fdata().ravel()[voxel] for name in "abcd"}
    path = study / "run.h5"
    write_shard(path, [signals], length=VOLUMES, voxel=voxel, mean=ones, std=ones, attributes=attributes)
    for folder in ("glm", "other"):
        with Shard(path) as shard:
            for name, values in z.items():
                shard.save_volume(study / folder / f"{name}_z.nii.gz", 2 * values)
        write_json(study / folder / "summary.json", {"space": "MNI152NLin6Asym", "events": list(z)})
    sum_maps([study / "glm", study / "other"], study / "sums.h5")
    table = compare(study, sums=study / "sums.h5").set_index(["setup", "event"])
    row = table.loc[("dca", "b")]
    assert row["others"] == 1
    assert row["others_r"] == pytest.approx(row["spatial_r"], abs=1e-4)  # the other run is a copy
    assert row["others_r_null"] < 0.5 * row["others_r"]
    # Of twelve atoms, other orders often choose the right one as well.
    assert 0.01 <= row["others_r_p"] < 0.8


def test_setups_share_their_surrogates(study):
    table = compare(study).set_index(["setup", "event"])
    pd.testing.assert_frame_equal(table.loc["raw"], table.loc["dca"])


def test_seed_decides_the_surrogates(study):
    first, again, other = compare(study), compare(study), compare(study, seed=1)
    pd.testing.assert_frame_equal(first, again)
    assert (first["null_mean"] != other["null_mean"]).all()
    assert (first["pcc"] == other["pcc"]).all()


def test_unfiltered_data_have_unfiltered_surrogates(study):
    kept, without = compare(study, filtered=False), compare(study, highpass_s=0.0)
    pd.testing.assert_frame_equal(kept, without)
    assert (kept["null_mean"] != compare(study)["null_mean"]).all()


def test_run_at_rest_gives_an_empty_table(study):
    options = {"events": None, "glm": None, "decompositions": {}, "split": "train"}
    table = compare_run(study / "rest.tsv", shard=study / "run.h5", **options)
    assert table.empty
    assert list(read_tsv(study / "rest.tsv")) == list(COLUMNS)
    runs, group = gather([study / "rest.tsv"], study / "pcc.tsv", study / "group.tsv")
    assert runs.empty
    assert group.empty
    assert list(read_tsv(study / "group.tsv")) == list(group)


def test_files_that_do_not_fit_are_named(study):
    sparse.save_npz(study / "raw" / "coefficients.npz", sparse.csr_array((ATOMS, 49)))
    with pytest.raises(InputError, match=r"coefficients.npz: has shape \(12, 49\), not \(12, 50\)"):
        compare(study)
    write_tsv(study / "raw" / "dictionary.tsv", pd.DataFrame({"atom_000": [1.0, 2.0]}), {})
    with pytest.raises(InputError, match=r"dictionary.tsv: has 2 rows, the run has 200 volumes"):
        compare(study)
    (study / "glm" / "c_z.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"c_z.nii.gz: cannot be read"):
        compare(study)
    write_tsv(study / "glm" / "design.tsv", pd.DataFrame({"a": np.zeros(VOLUMES)}), {})
    with pytest.raises(InputError, match="lacks the event `b`"):
        compare(study)


def rows(subject, excess, split="validation", event="a"):
    values = {"null_mean": 0.3, "null_sd": 0.1, "spatial_r": 0.5, "dice": np.nan}
    values |= {"heldout_pcc": 0.1, "heldout_r": 0.3, "heldout_r_null": 0.1, "others_r": np.nan}
    key = {"run_id": f"sub-{subject}", "subject": subject, "split": split, "event": event}
    return [
        {**dict.fromkeys(COLUMNS, 0), **key, **values, "setup": setup, "learnt_with": "run", "pcc": pcc}
        for setup, pcc in (("raw", 0.4), ("dca", 0.4 + excess))
    ]


def test_gather_pairs_subjects(tmp_path):
    gains = {"01": 0.1, "02": 0.2, "03": 0.3, "04": -0.1}
    paths = []
    for subject, gain in gains.items():
        split = "train" if subject == "04" else "validation"
        paths.append(tmp_path / f"{subject}.tsv")
        write_tsv(paths[-1], pd.DataFrame(rows(subject, gain, split)), COLUMNS)
    runs, group = gather(paths, tmp_path / "pcc.tsv", tmp_path / "group.tsv", seed=4)
    assert runs["subject"].tolist() == np.repeat(list(gains), 2).tolist()
    table = group.set_index(["split", "event", "measure"])
    held_out = table.loc["validation", "a", "pcc_excess"]
    assert (held_out["setup"], held_out["reference"], held_out["n"]) == ("dca", "raw", 3)
    assert held_out["difference"] == pytest.approx(0.2)
    assert held_out["sd"] == pytest.approx(0.1)
    assert held_out["effect_size"] == pytest.approx(2)
    assert 0.1 - 1e-12 <= held_out["ci_low"] < 0.2 < held_out["ci_high"] <= 0.3 + 1e-12
    assert table.loc[("validation", "a", "pcc_excess_sd"), "difference"] == pytest.approx(2)
    assert table.loc[("validation", "a", "pcc"), "status"] == "uncorrected"
    assert table.loc[("all", OVERALL, "pcc"), "n"] == 4
    assert ("validation", "a", "dice") not in table.index
    assert table.loc[("all", "a", "heldout_r_excess"), "mean_setup"] == pytest.approx(0.2)
    assert table.loc[("all", OVERALL, "heldout_pcc"), "status"] == "held out"
    assert "others_r_excess" not in table.index.get_level_values("measure")
    text = (tmp_path / "group.tsv").read_text().splitlines()
    single = next(line for line in text if line.startswith("train\ta\tpcc_excess\t")).split("\t")
    assert single[-5:] == ["n/a"] * 5
    assert "sign-flip" in read_json(tmp_path / "group.json")["p"]["Description"]
    again = gather(paths, tmp_path / "pcc.tsv", tmp_path / "group.tsv", seed=4)[1]
    pd.testing.assert_frame_equal(group, again)


@pytest.mark.parametrize("subjects", [2, 3, 9, 13, 40])
def test_p_over_subjects_is_that_of_sign_flips(subjects):
    differences = np.random.default_rng(subjects).normal(0.3, size=subjects).round(3)
    table = pd.DataFrame([row for i, value in enumerate(differences) for row in rows(f"{i:02d}", value)])
    found = compare_setups(table).set_index(["split", "event", "measure"]).loc["all", "a", "pcc_excess"]
    assert found["difference"] == pytest.approx(differences.mean())
    if subjects < 14:
        signs, tolerance = np.array(list(product([-1, 1], repeat=subjects))), 1e-12
    else:
        signs, tolerance = np.random.default_rng(0).choice([-1, 1], size=(50_000, subjects)), 0.015
    flipped = np.abs(signs @ differences)
    expected = (flipped >= np.abs(differences.sum()) - 1e-9).mean()
    assert found["p"] == pytest.approx(expected, abs=tolerance)


def test_several_runs_of_a_subject_are_one_observation():
    table = pd.DataFrame([*rows("01", 0.1), *rows("01", 0.3), *rows("02", 0.0)])
    group = compare_setups(table).set_index(["split", "event", "measure"])
    row = group.loc["all", "a", "pcc_excess"]
    assert (row["n"], row["difference"]) == (2, pytest.approx(0.1))


def test_overall_means_count_events_that_all_setups_have():
    lonely = [row for row in rows("01", 0.0, event="b") if row["setup"] == "raw"]
    table = pd.DataFrame([*rows("01", 0.1), *lonely])
    overall = compare_setups(table).set_index(["split", "event", "measure"]).loc["all", OVERALL, "pcc_excess"]
    assert overall["difference"] == pytest.approx(0.1)


def test_group_dictionaries_are_compared_with_one_another_and_said_to_know_the_order():
    table = pd.DataFrame([*rows("01", 0.1), *rows("02", 0.2)])
    group = table.assign(setup=table["setup"] + "-group", learnt_with="design")
    found = compare_setups(pd.concat([table, group])).set_index(["split", "event", "measure", "setup"])
    row = found.loc["all", "a", "pcc_excess", "dca-group"]
    assert row["reference"] == "raw-group" and row["status"] == "void if all runs share one order"
    assert found.loc[("all", "a", "pcc_excess", "raw-group"), "reference"] == "raw"
    assert found.loc[("all", "a", "pcc_excess", "dca"), "status"] == "against null"
    assert found.loc[("all", "a", "pcc", "dca-group"), "status"] == "uncorrected"


def test_what_was_learnt_with_the_design_is_said_to_be(study):
    shutil.copytree(study / "dca", study / "dca-signal")
    shutil.copytree(study / "raw", study / "raw-group")
    names = ("raw", "dca", "dca-signal", "raw-group")
    given = {"decompositions": {name: study / name for name in names}}
    for shared, led in [(False, {"raw-group"}), (True, {"dca", "dca-signal", "raw-group"})]:
        table = compare(study, shared=shared, **given)
        assert set(table.loc[table["learnt_with"] == "design", "setup"]) == led
        found = compare_setups(table).set_index(["split", "event", "measure", "setup"])["status"]
        for setup in ("dca", "dca-signal"):
            void = found["all", "a", "heldout_pcc", setup] == "void if all runs share one order"
            assert void == (setup in led)
            assert found["all", "a", "spatial_r", setup] == "same run, descriptive"


def test_one_setup_has_nothing_to_be_compared_with():
    only = pd.DataFrame([row for row in rows("01", 0.1) if row["setup"] == "raw"])
    assert compare_setups(only).empty


def test_censored_volumes_have_no_part_in_the_correlations(study):
    censored = np.zeros(VOLUMES, int)
    censored[[3, 50, 51]] = 1
    walk = np.random.default_rng(1).normal(size=(VOLUMES, 6)).cumsum(axis=0) / 20
    table = pd.DataFrame(walk, columns=list(PARAMETERS)).assign(censored=censored)
    write_tsv(study / "confounds.tsv", table, {})
    operator = residual_operator(table, "motion6", tr=TR, highpass_s=100)
    events = pd.read_csv(study / "events.tsv", sep="\t")
    design = make_design(events, VOLUMES, TR, operator=operator, kept=censored == 0).table
    write_tsv(study / "glm" / "design.tsv", design, {})
    atoms = read_tsv(study / "dca" / "dictionary.tsv")
    atoms["atom_005"] = -design["b"] + 100 * censored
    write_tsv(study / "dca" / "dictionary.tsv", atoms, {})
    found = compare(study, regress="motion6", confounds=study / "confounds.tsv")
    row = found[(found["setup"] == "dca") & (found["event"] == "b")].iloc[0]
    assert row["atom"] == 5
    assert row["pcc"] == pytest.approx(1)
    assert row["p"] < 0.05
