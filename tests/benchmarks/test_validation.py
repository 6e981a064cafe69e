"""What benchmarks/validation.py does, on a study as small as can be."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dca.compare.scores import Setup
from dca.files import read_tsv
from dca.signals import Shard

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NETWORK = {"preset": "recommended", "features": [2, 2, 2, 4], "filters": [5, 3, 3, 3], "hidden": 8}


@pytest.fixture(scope="module")
def validation():
    """Modules of benchmarks/validation/ by name."""
    sys.path.insert(0, str(BENCHMARKS))
    yield lambda name: importlib.import_module(f"validation.{name}")
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def study(validation, tmp_path_factory):
    module = validation("study")
    size = module.Size(2, 15.0, 100, atoms=8, components=4, surrogates=40, passes=2, threads=1)
    return module.Study(module.Key("varied", 2.0, 1), size, tmp_path_factory.mktemp("work"))


def row(scenario="varied", activation=2.0, seed=101, setup="raw", **values):
    scores = dict.fromkeys(("map_r", "excess_sd", "heldout_pcc", "pcc", "null_mean", "p05_percent"), 0.5)
    keys = {"scenario": scenario, "activation": activation, "seed": seed, "setup": setup, "subjects": 6}
    return keys | scores | values


def test_rows_are_added_once_and_a_second_call_goes_on(validation, study, tmp_path):
    rows, setups, tables = validation("rows"), validation("setups"), validation("tables")
    models = {
        "paper": validation("study").Model(
            NETWORK, {"optimizer": "adam", "max_steps": 3, "batch_size": 32, "epochs": 1}
        )
    }
    some = {
        name: setups.Setup(kind, "paper") for name, kind in [("a", "signals"), ("b", "smooth"), ("c", "pca")]
    } | {
        "d": setups.Setup("features", "paper", orient=False, rest=False),
        "e": setups.Setup("reconstructions", "paper"),
        "f": setups.Setup("canica"),
    }
    out, key, work = tmp_path / "rows.tsv", study.key, study.folder.parent
    options = {"setups": some, "models": models, "keep": True}
    rows.add_missing([key], ["a"], out, study.size, work, **options)
    first = read_tsv(out)
    assert first["setup"].tolist() == ["a"]
    rows.add_missing([key], list(some), out, study.size, work, **options)
    table = read_tsv(out)
    assert table["setup"].tolist() == list(some)
    pd.testing.assert_frame_equal(table.iloc[:1], first)
    assert (table["subjects"] == 2).all()
    assert table[["map_r", "excess_sd", "heldout_pcc"]].notna().all(axis=None)
    assert len(table["map_r"].unique()) == len(some)
    stamp = out.stat().st_mtime_ns
    rows.add_missing([key], list(some), out, study.size, tmp_path / "nowhere", **options)
    assert out.stat().st_mtime_ns == stamp
    assert not (tmp_path / "nowhere").exists()
    assert tables.missing(table, key, ["a", "z"]) == ["z"]


def test_the_truth_scores_high_and_noise_does_not(validation, study):
    rng, truth, noise = np.random.default_rng(0), [], []
    design = next(iter(study.nulls.values())).design
    for label in study.labels:
        with Shard(study.shard_path(label)) as shard:
            weights = np.stack(list(study.weights(label, shard).values()))
        others = rng.normal(size=(100, 6))
        truth.append(
            Setup(np.hstack([others, -design]), sparse.csr_array(np.vstack([0 * weights, -weights])))
        )
        noise.append(Setup(others, sparse.csr_array(rng.normal(size=weights.shape))))
    good, bad = (validation("score").score(study, found) for found in (truth, noise))
    assert good["map_r"] == pytest.approx(1, abs=1e-4)
    assert good["heldout_pcc"] > 0.9
    assert good["excess_sd"] > 1.5 > abs(bad["excess_sd"])
    assert abs(bad["map_r"]) < 0.3


def test_the_page_has_paired_differences_and_says_how_many_seeds(validation, tmp_path):
    tables = validation("tables")
    out, page = tmp_path / "rows.tsv", tmp_path / "page.md"
    names = ("means", "differences", "variants")
    page.write_text("".join(f"<!-- validation: {n} -->\nold\n<!-- /validation: {n} -->\n" for n in names))
    for seed in (101, 102, 103):
        tables.add(out, row(seed=seed, map_r=0.2 + seed / 100))
        tables.add(out, row(seed=seed, setup="paper, dca", map_r=0.1 + seed / 100 + (seed - 102) / 1000))
    tables.add(out, row(seed=104, setup="paper, dca", map_r=9.0))  # without its partner
    tables.fill(out, page)
    text = page.read_text()
    assert "old" not in text
    assert "paper, dca − raw | 3 | -0.100 (-0.101 to -0.099)" in text
    assert "varied at task × 2: only 3 of 5 seeds are done for raw, at most 4 for others" in text
    assert "there is no row yet for raw, λ 0.3, raw, smoothed" in text
    assert np.isnan(tables.interval(np.array([1.0, 2.0]))).all()
    low, high = tables.interval(np.random.default_rng(0).normal(1, 0.1, 50))
    assert 0.9 < low < 1 < high < 1.1
