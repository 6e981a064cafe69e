"""A backend of preprocessing that a user adds to a clone: one module and one file of rules."""

import shutil
from pathlib import Path

import pytest

from dca.config import ROOT
from dca.files import read_json, read_tsv

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

RUN = "sub-01_task-motor"
ADDED = Path(__file__).parent / "third_backend"
LEFT_BEHIND = shutil.ignore_patterns("__pycache__")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    for name in ("dca", "rules", "workflow", "envs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=LEFT_BEHIND)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copy(ADDED / "still.py", tmp_path / "dca" / "preprocess" / "backends")
    shutil.copy(ADDED / "preprocess_still.smk", tmp_path / "rules")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "Snakefile"


def test_a_third_backend_is_one_module_and_one_file_of_rules(new_study, clone):
    study = new_study(demo={"subjects": 1}, preprocess={"backend": "still"})
    study.snakemake("preprocess", snakefile=clone)
    folder = study.results / "preprocess" / RUN
    summary = read_json(folder / "summary.json")
    assert summary["backend"] == "still" and summary["max_fd_mm"] == 0
    assert [step["step"] for step in summary["steps"]] == ["motion", "mask", "confounds"]
    assert not read_tsv(folder / "confounds.tsv")["framewise_displacement"].any()
