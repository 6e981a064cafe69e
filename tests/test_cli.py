"""The command line: every stage once, chained on one tiny simulated run."""

import subprocess
import sys

import numpy as np
import pytest

from dca.cli import main
from dca.decompose import learn_group
from dca.decompose.group import read_group
from dca.decompose.result import read_coefficients, read_dictionary
from dca.decompose.settings import Settings
from dca.doctor import Finding, examine
from dca.features import Features
from dca.files import read_json, read_tsv
from dca.signals import Shard

COMMANDS = [
    "simulate",
    "doctor",
    "inputs",
    "preprocess",
    "signals",
    "train",
    "encode",
    "decompose",
    "glm",
    "compare",
    "report",
    "resume",
    "plan",
]
SETTINGS = [
    *("--set", "train.mode=single", "--set", "train.max_steps=5", "--set", "train.batch_size=16"),
    *("--set", "model.features=[2,2,2,4]", "--set", "model.filters=[5,3,3,3]"),
    *("--set", "decompose.atoms=8", "--set", "compare.surrogates=20"),
]


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    listed = capsys.readouterr().out
    assert all(f"  {name}" in listed for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0 and "usage: dca " in capsys.readouterr().out


def test_the_stages_chain_without_snakemake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "data", "--subjects", "1", "--voxel-mm", "12"]) == 0
    source = ["--set", "input.source=bids", "--set", "input.path=data"]
    assert main(["inputs", *source]) == 0
    run = "sub-01_task-motor"
    bold, events = f"data/sub-01/func/{run}_bold.nii.gz", f"data/sub-01/func/{run}_events.tsv"
    folder = f"results/preprocess/{run}"
    assert main(["preprocess", bold, folder]) == 0
    shard = f"results/signals/{run}.h5"
    # The preprocessed image has no JSON beside it; its header knows the repetition time.
    assert main(["signals", f"{folder}/desc-preproc_bold.nii.gz", f"{folder}/mask.nii.gz", shard]) == 0
    with Shard(shard) as signals:
        assert (signals.run_id, signals.subject, signals.tr) == (run, "01", pytest.approx(0.72))
    assert main(["train", shard, *SETTINGS]) == 0
    assert read_json("results/train/summary.json")["updates"] == 5
    features = f"results/features/{run}.h5"
    assert main(["encode", shard, features, "--denoised", "denoised.nii.gz"]) == 0
    assert (tmp_path / "denoised.nii.gz").is_file()
    unseen = "results/signals/sub-90_task-motor.h5"  # the same scan before preprocessing
    assert main(["signals", bold, f"{folder}/mask.nii.gz", unseen]) == 0
    settings = Settings(atoms=6, normalise="unit", lam=0.15, batch_size=64, passes=2, seed=0)
    learn_group([features], "group", setup="dca", settings=settings, model_folder="results/train/model")
    for options, codes in (([], "new.group"), (["--coefficients", "codes"], "codes")):
        assert main(["encode", unseen, "new.h5", "--group", "group", *options]) == 0
        check_codes(unseen, "new.h5", "group", tmp_path / codes)
    glm = f"results/glm/{run}"
    assert main(["glm", shard, events, glm, "--confounds", f"{folder}/confounds.tsv"]) == 0
    raw, dca = (f"results/decompose/{setup}/{run}" for setup in ("raw", "dca"))
    assert main(["decompose", shard, raw, "--glm", glm, *SETTINGS]) == 0
    assert main(["decompose", shard, dca, "--features", features, "--glm", glm, *SETTINGS]) == 0
    table = f"results/compare/runs/{run}.tsv"
    assert main(["compare", shard, events, table, "--glm", glm, "--raw", raw, "--dca", dca, *SETTINGS]) == 0
    assert len(read_tsv(table)) == 12
    assert main(["report", *source]) == 0
    assert "sub-01" in (tmp_path / "results/report/index.html").read_text()


def check_codes(shard, features, group, folder):
    """Codes of features that are the least of the lasso, and time courses of the run's own length."""
    summary, atoms = read_json(folder / "summary.json"), read_group(group)
    with Shard(shard) as signals, Features(features) as encoded:
        X, shape = encoded.read(0, encoded.n_voxels) - atoms.mean, (signals.length, 6)
        assert summary["run_id"] == signals.run_id and summary["setup"] == "dca-group"
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    codes = read_coefficients(folder, (6, len(X)))
    assert codes.nnz and read_dictionary(folder, shape[0]).shape == shape
    slope = atoms.dictionary.T @ (X.T - atoms.dictionary @ codes.toarray())
    assert np.abs(slope).max() < atoms.lam + 1e-4
    np.testing.assert_allclose(slope[codes.toarray() != 0], atoms.lam * np.sign(codes.data), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["signals", "none.nii.gz", "m.nii.gz", "o.h5"], "none.nii.gz"),
        (["encode", "none.h5", "o.h5"], "none.h5"),
        (["glm", "s.h5", "e.tsv", "o", "--set", "glm.hrf"], "is not KEY=VALUE"),
        (["glm", "s.h5", "e.tsv", "o", "--set", "glm.hfr=spm"], "did you mean `hrf`?"),
        (["inputs", "--config", "none.yaml"], "none.yaml"),
        (["simulate", "x", "--volumes", "40"], "volumes"),
    ],
)
def test_a_users_error_is_one_line_and_status_1(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("dca: ")]) == 1
    assert message in said[-1]


def test_the_command_is_installed():
    done = subprocess.run([sys.executable, "-m", "dca.cli", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("dca 0.")


def test_doctor_finds_what_is_here(tmp_path):
    findings = {finding.what: finding for finding in examine(tmp_path / "not yet")}
    assert findings["tensorflow"].state == "ok" and findings["niimath"].state == "ok"
    assert findings["results folder"] == Finding("results folder", "ok", str(tmp_path))


def test_doctor_says_how_to_get_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "horovod", None)
    monkeypatch.setitem(sys.modules, "spams", None)
    findings = {finding.what: finding for finding in examine()}
    assert findings["Horovod"].state == "limited"
    assert "train.mode: single" in findings["Horovod"].detail and "make horovod" in findings["Horovod"].detail
    assert findings["spams"].state == "missing" and "make env" in findings["spams"].detail


def test_doctor_names_the_programs_of_fsl_that_are_missing(monkeypatch, tmp_path, fsl_standins):
    monkeypatch.setenv("FSLDIR", str(fsl_standins))
    findings = {finding.what: finding for finding in examine(tmp_path)}
    assert findings["FSL"] == Finding("FSL", "ok", "0.0-standin")
    assert not {"FSL's templates", "gradunwarp"} & set(findings)
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    found = next(finding for finding in examine(tmp_path) if finding.what == "FSL")
    assert found.state == "limited" and "only backend fsl needs it" in found.detail
    (tmp_path / "bin").mkdir()
    for program in (fsl_standins / "bin").iterdir():
        if program.name not in ("susan", "fnirt", "gradient_unwarp.py"):
            (tmp_path / "bin" / program.name).symlink_to(program)
    findings = {finding.what: finding for finding in examine(tmp_path)}
    found = findings["FSL"]
    assert (found.state, found.detail.split(":")[0]) == ("limited", "unknown without susan, fnirt")
    assert "--sdm conda" in found.detail
    assert (
        findings["gradunwarp"].state == "limited"
        and "pip install gradunwarp" in findings["gradunwarp"].detail
    )
    templates = findings["FSL's templates"]
    assert templates.state == "limited"
    assert "without MNI152_T1_2mm.nii.gz, MNI152_T1_2mm_brain.nii.gz in" in templates.detail
    assert "only preprocess.registration needs them" in templates.detail
