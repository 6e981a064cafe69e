"""Numbers in the docs are those that the benchmarks wrote."""

import importlib.util

import pytest

from dca.config import ROOT


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("motion", "preprocessing"),
        ("preprocess_memory", "preprocessing"),
        ("scale_extraction", "scale"),
        ("scale_reading", "scale"),
        ("scale_encoding", "scale"),
        ("scale_dag", "scale"),
        ("scale_projection", "scale"),
    ],
)
def test_tables_of_the_docs_are_those_of_the_benchmarks(name, page):
    spec = importlib.util.spec_from_file_location("table", ROOT / "benchmarks" / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module.markdown(ROOT / "benchmarks" / "results" / f"{name}.tsv")
    assert table in (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
