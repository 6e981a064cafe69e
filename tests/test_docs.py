"""Numbers in the docs are those that the benchmarks wrote."""

import importlib.util

import pytest

from dca.config import ROOT

GPU = [
    "backend",
    "precision",
    "batch",
    "step_ms",
    "from_host_ms",
    "encode_ms",
    "series_per_s",
    "tflops",
    "product_tflops",
    "gradient_error",
]


@pytest.mark.parametrize(
    ("name", "page", "columns"),
    [
        ("gpu", "scaling", GPU),
        ("motion", "preprocessing", None),
        ("preprocess_memory", "preprocessing", None),
        ("scale_extraction", "scale", None),
        ("scale_reading", "scale", None),
        ("scale_encoding", "scale", None),
        ("scale_dag", "scale", None),
        ("scale_projection", "scale", None),
        ("study_memory", "scale", None),
    ],
)
def test_tables_of_the_docs_are_those_of_the_benchmarks(name, page, columns):
    spec = importlib.util.spec_from_file_location("table", ROOT / "benchmarks" / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module.markdown(ROOT / "benchmarks" / "results" / f"{name}.tsv", columns)
    assert table in (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
