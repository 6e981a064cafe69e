"""Docs and comments say what is there: the numbers of the benchmarks, and settings that exist."""

import re
import subprocess

import pytest
import yaml

from dca.config import ROOT, load
from dca.files import read_tsv

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
        ("report", "report"),
        ("scale_extraction", "scale"),
        ("scale_reading", "scale"),
        ("scale_encoding", "scale"),
        *((f"scale_{part}", "scale") for part in ("pair", "storage", "glm", "float16", "sums")),
        ("scale_dag", "scale"),
        ("scale_index", "scale"),
        ("scale_projection", "scale"),
        ("tf_data", "scale"),
        ("study_memory", "scale"),
    ],
)
def test_tables_of_the_docs_are_those_of_the_benchmarks(load_benchmark, name, page):
    results = ROOT / "benchmarks" / "results"
    table = load_benchmark("table").markdown(results / f"{name}.tsv", COLUMNS.get(name))
    assert table in (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")


CLUSTER = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
PROFILE = ROOT / "slurm" / "config.yaml"


def test_the_page_names_all_groups_of_the_profile():
    groups = [entry.split("=") for entry in yaml.safe_load(PROFILE.read_text())["group-components"]]
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| \w+.* \| (\d+) \|$", CLUSTER, re.MULTILINE))
    assert rows == dict(groups)
    replaced = re.search(r"^# group-components: \[(.*)\]$", CLUSTER, re.MULTILINE)[1]
    assert [entry.split("=")[0] for entry in replaced.split(", ")] == [name for name, _ in groups]


def test_every_setting_of_the_profile_has_a_comment():
    lines = [line for line in PROFILE.read_text().splitlines() if line and not line.startswith("# ")]
    above = PROFILE.read_text().split("\ngroup-components:")[0].splitlines()[-1]
    assert above.startswith("# ")
    assert [line for line in lines if " # " not in line] == ["group-components:"]


def test_settings_on_the_page_exist():
    for text in re.findall(r"```yaml\n# my.yaml.*?\n(.*?)```", CLUSTER, re.DOTALL):
        for section, values in yaml.safe_load(text).items():
            assert set(values) <= set(load()[section])


@pytest.mark.parametrize("target", ["env", "envs"])
def test_make_lists_what_the_page_says_to_run(target):
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert re.search(rf"^{target} +\w", done.stdout, re.MULTILINE)
    assert f"make {target}" in CLUSTER


def test_a_page_of_the_report_is_seen_at_once_and_is_not_large():
    table = read_tsv(ROOT / "benchmarks" / "results" / "report.tsv").set_index("images")
    assert (table["paint_ms"] < 1000).all()
    assert (table.loc["beside it", ["html_kb", "opened_kb"]] < 5000).all()
