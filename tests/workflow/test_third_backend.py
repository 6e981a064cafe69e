"""A backend of preprocessing that a user adds to a clone: one module and one file of rules."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dca.config import ROOT, load, merge
from dca.files import read_json, read_tsv, write_json
from dca.preprocess import backends
from dca.provenance import collect
from dca.report.methods import write_methods
from dca.report.results import Folder, RunResults

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


@pytest.mark.parametrize("says", [True, False], ids=["it says", "it says nothing"])
def test_the_methods_section_claims_no_steps_of_other_backends(monkeypatch, tmp_path, says):
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(ADDED)])
    if not says:
        still = backends.load("still")
        monkeypatch.setattr(backends, "load", lambda name: replace(still, methods=""))
    config = merge(load(), {"preprocess": {"backend": "still", "smooth_mm": 5, "bias_field": True}})
    write_json(tmp_path / "preprocess/r/summary.json", {"backend": "still", "steps": [{"step": "motion"}]})
    told = {"run_id": "r", "subject": "01", "events": (), "tr": 1.0, "volumes": 9, "split": "train"}
    provenance = collect(config) | {"commands": []}
    text = " ".join(write_methods(config, [RunResults(told, Folder(tmp_path))], provenance).paragraphs)
    sys.modules.pop(f"{backends.__name__}.still")  # for the others it is not there
    wanted = "Heads were taken to lie still." if says else "preprocessed with the backend still."
    assert wanted in text
    for claim in ("realigned", "N4", "filtered", "grand mean", "smooth", "FSL", "preprocessed by others"):
        assert claim not in text, claim
