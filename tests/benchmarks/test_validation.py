"""What benchmarks/validation.py does, on a study as small as can be."""

import multiprocessing
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from dca.compare.scores import Setup
from dca.errors import InputError
from dca.files import read_tsv, write_tsv
from dca.signals import Shard
from dca.simulate import Scenario, layout, simulate_dataset

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NETWORK = {"preset": "recommended", "features": [2, 2, 2, 4], "filters": [5, 3, 3, 3], "hidden": 8}


@pytest.fixture(scope="module")
def validation(load_benchmark_module):
    """Modules of benchmarks/validation/ by name."""
    return lambda name: load_benchmark_module(f"validation.{name}")


@pytest.fixture(scope="module")
def study(validation, tmp_path_factory):
    module = validation("study")
    size = module.Size(2, 15.0, 100, atoms=8, components=4, surrogates=40, passes=2, threads=1)
    return module.Study(module.Key("varied", 2.0, 1), size, tmp_path_factory.mktemp("work"))


def row(scenario="varied", activation=2.0, seed=101, setup="raw", **values):
    scores = dict.fromkeys(("map_r", "excess_sd", "heldout_pcc", "pcc", "null_mean", "p05_percent"), 0.5)
    keys = {"scenario": scenario, "activation": activation, "seed": seed, "setup": setup, "subjects": 6}
    return keys | scores | {"events": 36, "scored": 36} | values


def make_page(path):
    names = ("means", "differences", "map", "variants", "real")
    path.write_text("".join(f"<!-- validation: {n} -->\nold\n<!-- /validation: {n} -->\n" for n in names))
    return path


def test_rows_are_added_once_and_a_second_call_goes_on(validation, study, tmp_path):
    rows, setups, tables = validation("rows"), validation("setups"), validation("tables")
    model = validation("study").Model(
        NETWORK, {"optimizer": "adam", "max_steps": 3, "batch_size": 32, "epochs": 1}
    )
    models = {"paper": model, "unseen": replace(model, folds=2)}
    some = {
        name: setups.Setup(kind, "paper") for name, kind in [("a", "signals"), ("b", "smooth"), ("c", "pca")]
    } | {
        "d": setups.Setup("features", "paper", orient=False, rest=False),
        "e": setups.Setup("reconstructions", "paper"),
        "i": setups.Setup("reconstructions", "unseen"),
        "f": setups.Setup("canica"),
        "g": setups.Setup("signals", lam=0.7, normalise="zscore"),
        "h": setups.Setup("features", "paper", group=True),
        "j": setups.Setup("features", "paper", whiten=True),
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
    assert (table["events"] == 2 * len(study.nulls)).all()
    assert table["scored"].between(1, table["events"]).all()
    assert table[["map_r", "excess_sd", "heldout_pcc"]].notna().all(axis=None)
    assert len(table["map_r"].unique()) == len(some)
    stamp = out.stat().st_mtime_ns
    rows.add_missing([key], list(some), out, study.size, tmp_path / "nowhere", **options)
    assert out.stat().st_mtime_ns == stamp
    assert not (tmp_path / "nowhere").exists()
    assert tables.missing(table, key, ["a", "z"]) == ["z"]


def test_what_was_made_with_other_settings_is_made_anew(validation, study, monkeypatch):
    module, label = validation("study"), study.labels[0]
    monkeypatch.setattr(module.Study, "_make", lambda self: self.folder.mkdir())
    key, work = module.Key("linear", 1.0, 7), study.folder.parent
    size = module.Size(2, 15.0, 100)

    def kept(own_size=size, revision="a", scenario=module.SCENARIOS["linear"]):
        mark = module.Study(key, size, work, "a").folder / "mark"
        mark.touch()
        with monkeypatch.context() as patch:
            patch.setitem(module.SCENARIOS, "linear", scenario)
            module.Study(key, own_size, work, revision)
        return mark.is_file()

    assert kept()
    assert kept(replace(size, threads=1))
    assert not kept(replace(size, subjects=3))
    assert not kept(revision="b")
    assert not kept(scenario={"artefacts": False})

    def train(shards, validation, folder, *rest, **options):
        folder.mkdir()  # nothing is left of another model
        (folder / "summary.json").touch()
        trained.append("model")

    def encode(shard, model, out, **options):
        out.touch(exist_ok=False)
        trained.append("features")

    trained = []
    monkeypatch.setattr("dca.train.train", train)
    monkeypatch.setattr(module, "encode", encode)
    for steps, hidden, made in [(2, 8, 1), (2, 8, 1), (3, 8, 2), (3, 6, 3), (3, 6, 3)]:
        study.features("anew", module.Model(NETWORK | {"hidden": hidden}, {"max_steps": steps}), label)
        assert trained == made * ["model", "features"]


def test_a_model_with_folds_has_not_seen_the_subject(validation, study, monkeypatch):
    module, seen = validation("study"), {}

    def train(shards, validation, folder, *rest, targets, **options):
        folder.mkdir()
        (folder / "summary.json").touch()
        seen[folder / "model"] = [path.name for path in shards]
        for path in targets:
            assert path.parent.name == "targets_" + "_".join(name[4:6] for name in seen[folder / "model"])

    monkeypatch.setattr("dca.train.train", train)
    monkeypatch.setattr("dca.signals.write_targets", lambda runs, *rest: None)
    monkeypatch.setattr(module.Study, "labels", [f"{i:02d}" for i in range(1, 7)])
    model = module.Model(NETWORK, {"target": "others"}, folds=3)
    folders = {label: study.model("unseen", model, label) for label in study.labels}
    assert len(seen) == len(set(folders.values())) == 3
    for label, folder in folders.items():
        assert len(seen[folder]) == 4
        assert study.shard_path(label).name not in seen[folder]
    everyone = {study.model("all", replace(model, folds=1), label) for label in study.labels}
    assert [len(seen[folder]) for folder in everyone] == [6]


def test_a_study_that_another_process_is_at_is_passed_over(validation, study, tmp_path, capsys):
    rows, locks = validation("rows"), validation("locks")
    setups, key, out = {"a": validation("setups").Setup("signals")}, study.key, tmp_path / "rows.tsv"
    with locks.locked(tmp_path / f".{key.name}.lock") as ours:
        assert ours
        rows.add_missing([key], ["a"], out, study.size, tmp_path, setups=setups)
    assert "passed over" in capsys.readouterr().out
    assert not out.exists()
    assert not (tmp_path / key.name).exists()


def test_rows_of_several_processes_all_stay(validation, tmp_path):
    tables, out = validation("tables"), tmp_path / "rows.tsv"
    fork = multiprocessing.get_context("fork")
    jobs = [fork.Process(target=_add_rows, args=(tables, out, setup)) for setup in ("raw", "CanICA")]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(120)
    assert [job.exitcode for job in jobs] == [0, 0]
    assert tables.read(out)["setup"].value_counts().to_dict() == {"raw": 20, "CanICA": 20}


def _add_rows(tables, out, setup):
    for seed in range(20):
        tables.add(out, row(seed=seed, setup=setup))


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
    out, page = tmp_path / "rows.tsv", make_page(tmp_path / "page.md")
    for seed in (101, 102, 103):
        tables.add(out, row(seed=seed, map_r=0.2 + seed / 100))
        tables.add(out, row(seed=seed, setup="paper, dca", map_r=0.1 + seed / 100 + (seed - 102) / 1000))
    tables.add(out, row(seed=104, setup="paper, dca", map_r=9.0))  # without its partner
    tables.fill(out, page)
    text = page.read_text()
    assert "old" not in text
    assert "− raw, smoothed, λ 0.3" not in text  # a control without rows
    assert "paper, dca − raw | 3 | -0.100 (-0.101 to -0.099)" in text
    assert "varied at task × 2: only 3 of 5 seeds are done for raw, at most 4 for others" in text
    assert "there is no row yet for raw, λ 0.3, raw, smoothed" in text
    assert np.isnan(tables.interval(np.array([1.0, 2.0]))).all()
    low, high = tables.interval(np.random.default_rng(0).normal(1, 0.1, 50))
    assert 0.9 < low < 1 < high < 1.1


def test_time_courses_that_know_the_design_are_marked_and_held_against_the_controls(validation, tmp_path):
    tables = validation("tables")
    out, page = tmp_path / "rows.tsv", make_page(tmp_path / "page.md")
    for seed in (101, 102, 103):
        tables.add(out, row(seed=seed, map_r=0.2))
        tables.add(out, row(seed=seed, setup="mean of others", map_r=0.25))
        tables.add(out, row(seed=seed, setup="recommended, dca", map_r=0.5, p05_percent=np.nan))
        tables.add(out, row(seed=seed, setup="raw-group", map_r=0.3))
    tables.fill(out, page)
    text = page.read_text()
    assert "| raw | 3 | 18 | 100 | 0.200 | 0.50 | 0.500 | 0.500 | 0.500 | 0 |" in text
    assert "| recommended, dca | 3 | 18 | 100 | 0.500 | 0.50 † | 0.500 † | 0.500 | 0.500 | – |" in text
    assert "| raw-group | 3 | 18 | 100 | 0.300 | 0.50 † |" in text
    assert (
        "recommended, dca − mean of others | 3 | +0.250 (+0.250 to +0.250) | +0.000 (+0.000 to +0.000) †"
        in text
    )
    assert "mean of others − raw | 3 | +0.050" in text and "raw − mean of others" not in text


def test_the_map_has_one_line_for_each_switch_over_the_same_seeds(validation, tmp_path):
    tables, setups = validation("tables"), validation("setups")
    out, page = tmp_path / "rows.tsv", make_page(tmp_path / "page.md")
    linear = [(101, "linear", 0.1), (102, "linear", 0.2), (103, "linear", 0.9)]
    for seed, scenario, value in [*linear, (101, "timing", 0.3), (102, "timing", 0.5)]:
        for setup in setups.MAPPED:
            tables.add(out, row(scenario, 1.2, seed, setup, map_r=value))
    tables.add(out, row("linear", 2.0, 101, map_r=0.9))
    tables.fill(out, page)
    shown = page.read_text().split("<!-- validation: map -->")[1].split("<!--")[0]
    assert "| linear | 0.15 | 0.15 |" in shown and "| timing | 0.40 | 0.40 |" in shown
    assert "at task × 1.2, means over seeds 101, 102" in shown
    assert "| timing |" not in page.read_text().split("<!-- validation: map -->")[0]


def test_switches_are_those_of_the_varied_scenario_and_subjects_are_a_scenario_too(validation, study):
    module = validation("study")
    names = [set(switch) for switch in module.SWITCHES.values()]
    assert set().union(*names) == set(module.VARIED) and sum(map(len, names)) == len(module.VARIED)
    for name, switch in module.SWITCHES.items():
        changed = Scenario(**module.SCENARIOS[name])
        kept = Scenario(**module.LINEAR)
        assert {k for k in vars(kept) if getattr(kept, k) != getattr(changed, k)} == set(switch)
    assert study.size.subjects == 2


def test_scores_that_are_not_known_are_counted(validation, tmp_path):
    tables, score = validation("tables"), validation("score")
    table = pd.DataFrame({"subject": ["01", "01", "02"], **{name: [1.0, 3.0, 5.0] for name in score.SCORES}})
    table.loc[0, "map_r"] = np.nan
    found = score.mean_scores(table)
    assert (found["map_r"], found["pcc"]) == (4, 3.5)
    assert (found["events"], found["scored"]) == (3, 2)
    out, page = tmp_path / "rows.tsv", make_page(tmp_path / "page.md")
    for seed in range(101, 106):
        tables.add(out, row(seed=seed, revision="a"))
        values = {"map_r": np.nan, "scored": 30} if seed == 103 else {"map_r": 0.6}
        tables.add(out, row(seed=seed, setup="CanICA", revision="b" if seed == 104 else "a", **values))
    tables.fill(out, page)
    text = page.read_text()
    assert "rows of seed 104 are of several revisions" in text
    assert "| CanICA | 5 | 30 | 97 | 0.600, n = 4 | 0.50 |" in text
    assert "CanICA − raw | 5 | +0.100 (+0.100 to +0.100), n = 4 | +0.000 (+0.000 to +0.000) |" in text


def test_a_summary_that_cannot_be_is_told_in_one_line(validation, tmp_path):
    tables, out, page = validation("tables"), tmp_path / "rows.tsv", make_page(tmp_path / "page.md")
    tables.fill(out, page)
    assert page.read_text().count("None yet.") == 5
    tables.add(out, row())
    with pytest.raises(InputError, match="no markers for validation: means"):
        tables.fill(out, out.with_suffix(".json"))
    tables.add(out, row(setup="paper"))
    with pytest.raises(InputError, match="unknown setups: paper"):
        tables.fill(out, page)
    out.write_text("scenario\tseconds\nvaried\t1\n")
    with pytest.raises(InputError, match="seconds"):
        tables.add(out, row())


def test_the_real_run_is_scored_without_a_truth(validation, tmp_path, monkeypatch):
    real, rows, tables = validation("real"), validation("rows"), validation("tables")
    made = tmp_path / "made"
    simulate_dataset(made, 1, 0, Scenario(voxel_mm=15.0, volumes=120), progress=False)
    run = tmp_path / "data" / real.RUN
    run.parent.mkdir(parents=True)
    layout.bold_path(made, "01").rename(run.with_name(f"{run.name}_bold.nii.gz"))
    events = read_tsv(layout.events_path(made, "01"))
    events[["onset", "duration"]] *= real.RealRun.tr / layout.TR
    write_tsv(run.with_name(f"{run.name}_events.tsv"), events, {})
    size, key = (
        validation("study").Size(atoms=8, surrogates=40, passes=2),
        validation("study").Key("real", 1.0, 1),
    )
    monkeypatch.delenv("DCA_REAL_DATA", raising=False)
    with pytest.raises(InputError, match="set DCA_REAL_DATA"):
        rows.add_missing([key], ["raw"], tmp_path / "rows.tsv", size, tmp_path / "work")
    monkeypatch.setenv("DCA_REAL_DATA", str(tmp_path / "data"))
    rows.add_missing([key], ["raw", "raw, smoothed"], tmp_path / "rows.tsv", size, tmp_path / "work")
    found = tables.read(tmp_path / "rows.tsv")
    assert (found["subjects"] == 1).all() and found["map_r"].isna().all()
    assert found[["excess_sd", "heldout_pcc", "heldout_r", "pcc"]].notna().all(axis=None)
    page = make_page(tmp_path / "page.md")
    tables.fill(tmp_path / "rows.tsv", page)
    text = page.read_text()
    assert text.count("None yet.") == 4
    assert "| raw, smoothed | 1 |" in text.split("<!-- validation: real -->")[1]


@pytest.mark.parametrize("option", ["--setups", "--scenarios"])
def test_a_name_that_nobody_knows_is_refused(validation, option, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["validation.py", "run", option, "nonsense"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TQDM_DISABLE", "")
    with pytest.raises(SystemExit) as raised:
        runpy.run_path(str(BENCHMARKS / "validation.py"), run_name="__main__")
    assert raised.value.code == 2
    assert "nonsense" in capsys.readouterr().err
