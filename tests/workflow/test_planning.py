"""What is looked up once instead of for every job: the plan stays the same."""

import gc
from types import SimpleNamespace

import pytest
import snakemake.api
from snakemake.io import temp

from dca.config import ROOT

common, dag, jobs, rules = snakemake.common, snakemake.dag, snakemake.jobs, snakemake.rules


@pytest.fixture
def define(monkeypatch):
    """What a file of the workflow defines; undone after the test."""
    places = [(dag.ScriptProcessor, "process_job"), (jobs, "fmt_iofile")]
    places += [(common, "get_function_params"), (rules, "get_function_params")]
    places += [(dag.DAG, name) for name in ("_check_groups", "_ready", "validate_group")]
    for owner, name in places:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    threshold = gc.get_threshold()

    def define(name):
        source, names = ROOT / f"rules/common/{name}.smk", {}
        exec(compile(source.read_text(), source, "exec"), names)  # it is plain Python
        return SimpleNamespace(**names)

    yield define
    gc.set_threshold(*threshold)


def test_the_script_of_each_rule_is_looked_for_once(define, monkeypatch):
    looked = []
    monkeypatch.setattr(dag.ScriptProcessor, "process_job", lambda processor, job: looked.append(job))
    define("planning")
    script, notebook = SimpleNamespace(script_type="script"), SimpleNamespace(script_type="notebook")
    first, second, other = (SimpleNamespace(rule=SimpleNamespace(name=name)) for name in "aab")
    for processor in (script, notebook):
        for job in (first, second, other):
            dag.ScriptProcessor.process_job(processor, job)
    assert looked == [first, other] * 2


def test_files_are_printed_as_snakemake_prints_them(define):
    files = ["a", temp("a")]
    expected = [jobs.fmt_iofile(file, as_output=True) for file in files]
    assert [define("planning").fmt_iofile(file, as_output=True) for file in files] == expected


def test_a_group_is_ready_once_none_of_its_jobs_waits_for_another_group(define):
    """Of a chain a, b, c the first two are a group; d, of the same group, needs c's neighbour e."""
    define("groups")
    group, alone = SimpleNamespace(jobs=frozenset("abd")), SimpleNamespace(jobs=frozenset("c"))
    plan = SimpleNamespace(
        _group=dict.fromkeys("abd", group) | {"c": alone},
        _dependencies={"a": {}, "b": {"a": set()}, "c": {"b": set()}, "d": {"e": set()}, "e": {}},
        _n_until_ready={"a": 0, "b": 1, "c": 1, "d": 1, "e": 0},
    )
    dag.DAG._check_groups(plan)
    assert {job: dag.DAG._ready(plan, job) for job in "abcde"} == dict.fromkeys("abcd", False) | {"e": True}
    plan._n_until_ready["d"] = 0  # e is done
    assert {job: dag.DAG._ready(plan, job) for job in "abcd"} == dict.fromkeys("abd", True) | {"c": False}
