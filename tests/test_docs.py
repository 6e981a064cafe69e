"""Numbers in the docs are those that the benchmarks wrote."""

import pytest

from dca.config import ROOT

# Of those tables that the docs show in part.
COLUMNS = {
    "gpu": [
        "backend", "precision", "batch", "step_ms", "from_host_ms", "encode_ms", "series_per_s", "tflops",
        "product_tflops", "gradient_error",
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("gpu", "scaling"),
        ("motion", "preprocessing"),
        ("normalise", "preprocessing"),
        ("preprocess_memory", "preprocessing"),
        ("scale_extraction", "scale"),
        ("scale_reading", "scale"),
        ("scale_encoding", "scale"),
        ("scale_dag", "scale"),
        ("scale_projection", "scale"),
        ("study_memory", "scale"),
    ],
)
def test_tables_of_the_docs_are_those_of_the_benchmarks(load_benchmark, name, page):
    results = ROOT / "benchmarks" / "results"
    table = load_benchmark("table").markdown(results / f"{name}.tsv", COLUMNS.get(name))
    assert table in (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
