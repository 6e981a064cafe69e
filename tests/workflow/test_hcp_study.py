"""A small tree of HCP's layout through the workflow."""

import nibabel as nib
import numpy as np
import pytest

from dca.files import read_json, read_tsv
from dca.signals import Shard

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("hcp"), pytest.mark.timeout(900)]

RUNS = [f"sub-100307_task-MOTOR_dir-{direction}" for direction in ("LR", "RL")]
EVENTS = ["cue", "lf", "lh", "rf", "rh", "t"]


def test_hcp_runs_from_the_folders_to_z_maps(new_study, make_hcp):
    study = new_study(
        {"preprocess": {"backend": "none"}},
        input={"source": "hcp", "path": str(make_hcp()), "validation": 0.5},
        glm={"contrasts": {"hands-feet": {"lh": 1, "rh": 1, "lf": -1, "rf": -1}}},
    )
    study.snakemake("preprocess", "glm")
    for run in RUNS:
        confounds = read_tsv(study.results / f"preprocess/{run}/confounds.tsv")
        assert confounds["framewise_displacement"].iloc[1:].between(0, 1).all()
        with Shard(study.results / f"signals/{run}.h5") as shard:
            assert (shard.n_voxels, shard.length) == (4 * 5 * 3, 90)
            assert shard.space == "MNI152NLin6Asym"
        summary = read_json(study.results / f"glm/{run}/summary.json")
        assert summary["events"] == EVENTS and len(summary["confounds"]) == 6
        for i, event in enumerate(EVENTS):  # each shows where the tree has it
            z = np.asarray(nib.load(study.results / f"glm/{run}/{event}_z.nii.gz").dataobj)
            assert np.unravel_index(z.argmax(), z.shape) == (1 + i % 4, 1 + i // 4, 2)
    planned = study.planned()
    assert {"train/summary.json", "report/100307.html", f"compare/runs/{RUNS[1]}.tsv"} <= planned
    assert not {name for name in planned if name.startswith(("inputs", "preprocess", "signals", "glm"))}


def test_a_model_of_what_runs_share_is_judged_by_maps(new_study, make_hcp):
    root = make_hcp(subjects=("100307", "100408", "101107"), runs=("tfMRI_MOTOR_LR",))
    study = new_study(
        {"preprocess": {"backend": "none"}},
        input={"source": "hcp", "path": str(root), "validation": 0.3},
        model={"preset": "recommended", "features": [2, 2, 2, 2], "hidden": 8},
        train={"target": "others", "mode": "single", "batch_size": 30, "max_steps": 6},
        decompose={"setups": ["raw", "dca", "dca-signal"], "atoms": 4},
        glm={"contrasts": {}},
        compare={"surrogates": 20},
    )
    study.snakemake("compare")
    assert not (study.results / "train/targets").exists()
    assert read_json(study.results / "train/model/card.json")["target"] == "others"
    table = read_tsv(study.results / "compare/pcc.tsv")
    assert dict(zip(table["setup"], table["learnt_with"], strict=True)) == {
        "raw": "run", "dca": "design", "dca-signal": "design",
    }  # fmt: skip
    assert (table["others"] == 2).all()
    status = read_tsv(study.results / "compare/group.tsv").set_index(["setup", "measure"])["status"]
    assert set(status["dca", "pcc_excess"]) == {"void if all runs share one order"}
    assert study.planned("compare") == set()
    # Where runs cannot be laid on one another it is said before anything runs.
    study.configure(preprocess={"backend": "native"}, train={"target": "others"})
    done = study.snakemake("-n", check=False)
    assert done.returncode != 0
    assert "lie in no space that runs have in common" in done.stdout + done.stderr


def test_a_resting_state_study_goes_to_its_report_without_glm_and_comparison(new_study, make_hcp):
    root = make_hcp(runs=("rfMRI_REST1_LR",))
    study = new_study(
        {"preprocess": {"backend": "none"}},
        input={"source": "hcp", "path": str(root), "validation": 0.0},
        model={"features": [2, 2, 2, 2], "hidden": 8},
        train={"mode": "single", "batch_size": 30, "max_steps": 6},
        decompose={"atoms": 4},
        glm={"contrasts": {}},
    )
    study.snakemake()
    made = study.files()
    run = "sub-100307_task-REST1_dir-LR"
    assert {f"features/{run}.h5", *(f"decompose/{name}/{run}/maps.nii.gz" for name in ("raw", "dca"))} <= made
    assert not {name for name in made if name.startswith(("glm", "compare"))}
    assert {f"report/{page}.html" for page in ("100307", "index", "training")} <= made
    text = (study.results / "report/100307.html").read_text(encoding="utf-8")
    assert "Resting state" in text and "no events" in text


def test_runs_of_one_task_may_lack_an_event(new_study, make_hcp):
    root = make_hcp()
    (root / "100307/MNINonLinear/Results/tfMRI_MOTOR_LR/EVs/lf.txt").write_text("")
    study = new_study(
        {"preprocess": {"backend": "none"}},
        input={"source": "hcp", "path": str(root), "validation": 0.5},
        glm={"contrasts": {}},
    )
    planned = study.planned()
    assert not [name for name in planned if "-LR/lf_z" in name]
    assert [name for name in planned if "-RL/lf_z" in name]


def test_a_backend_that_would_preprocess_them_again_is_refused(new_study, make_hcp):
    study = new_study(input={"source": "hcp", "path": str(make_hcp())})
    done = study.snakemake("-n", check=False)
    assert (
        "input.source: hcp is preprocessed already; set preprocess: {backend: none}"
        in done.stdout + done.stderr
    )
