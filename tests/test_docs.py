"""Numbers in the docs are those that the benchmarks wrote."""

import importlib.util

import pytest

from dca.config import ROOT


@pytest.mark.parametrize("name", ["motion", "preprocess_memory"])
def test_tables_of_the_docs_are_those_of_the_benchmarks(name):
    spec = importlib.util.spec_from_file_location("table", ROOT / "benchmarks" / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module.markdown(ROOT / "benchmarks" / "results" / f"{name}.tsv")
    assert table in (ROOT / "docs" / "preprocessing.md").read_text(encoding="utf-8")
