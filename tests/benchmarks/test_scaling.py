"""What benchmarks/scaling.py makes of its measurements; the measuring itself is not for a test."""

import itertools
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dca.errors import InputError
from dca.files import read_tsv

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scaling(load_benchmark_module):
    """Modules of benchmarks/scaling/ by name."""
    return lambda name: load_benchmark_module(f"scaling.{name}")


@pytest.fixture
def results(scaling, tmp_path):
    return scaling("rows").Results(tmp_path)


@pytest.mark.parametrize(("exchange", "shared"), [(0.06, 0.03), (0.04, 0.002), (0.2, 0.19)])
def test_the_cost_model_finds_what_made_its_data(scaling, exchange, shared):
    cost = scaling("cost")
    samples = [
        cost.Sample(workers, compute, overlap, cost.rate(workers, compute, exchange, shared, overlap))
        for workers, compute, overlap in itertools.product((1, 2, 8, 13), (0.0, 0.25, 1.0), (False, True))
    ]
    found, its_part, worst = cost.fit(samples)
    assert (found, its_part) == pytest.approx((exchange, shared), rel=0.01)
    assert worst < 0.01


def test_the_rate_has_the_limits_it_must_have(scaling):
    rate = scaling("cost").rate
    assert rate(1, 0.5, 0.1, 0.05, overlap=False) == pytest.approx(1 / 0.6)
    assert rate(1, 0.5, 0.1, 0.05, overlap=True) == pytest.approx(2)
    assert rate(4, 1.0, 0.1, 1e-6, overlap=False) == pytest.approx(4 / 1.1, rel=1e-4)
    assert rate(1000, 0.5, 0.1, 0.05, overlap=False) == pytest.approx(20)
    rates = [rate(workers, 0.5, 0.1, 0.05, overlap=True) for workers in range(1, 30)]
    assert all(b > a - 1e-9 for a, b in pairwise(rates)) and max(rates) < 20 + 1e-9


def test_what_limits_is_predicted(scaling):
    cost = scaling("cost")
    slow = cost.Cluster("a", (1.0,), 3e9)
    plain = cost.predict(slow, 0.02, 1, 1, False, 0.05, 0.001)
    assert plain["shared_s"] == pytest.approx(cost.BYTES / 3e9)
    assert plain["speedup"] == pytest.approx(0.02 / plain["shared_s"], rel=0.1)
    for better in ({"servers": 4}, {"n": 4}):
        changed = {"servers": 1, "n": 1, **better}
        assert (
            cost.predict(slow, 0.02, **changed, compressed=False, fixed_s=0.05, update_s=0.001)["speedup"]
            > 1.5 * plain["speedup"]
        )
    # In 16 bits a gradient is sooner there, but the weights still come back in 32.
    packed = cost.predict(slow, 0.02, 1, 1, True, 0.05, 0.001)
    assert packed["exchange_s"] < plain["exchange_s"] and packed["shared_s"] == plain["shared_s"]


def test_rates_are_those_of_the_stages_all_workers_are_in(scaling, tmp_path):
    paced = scaling("paced")
    own = paced.Paced(tmp_path, 2, ((1.0, 10.0), (0.5, 5.0)))
    (tmp_path / "begin").write_text("1000.0")
    assert [own.pause(t) for t in (0, 9.9, 10.1, 15.1)] == [1.0, 1.0, 0.5, None]
    starts = np.concatenate([np.arange(-0.9, 10, 1.25), np.arange(10.1, 15, 0.6)])
    for worker in range(2):
        np.save(tmp_path / f"steps-{worker}.npy", 1000 + starts)
    first, second = own.periods()
    assert paced.rate(first) == pytest.approx(2 / 1.25)
    assert paced.rate(second) == pytest.approx(2 / 0.6)
    np.save(tmp_path / "steps-1.npy", 1000 + starts[:3])
    with pytest.raises(RuntimeError, match="too short"):
        own.periods()
    (tmp_path / "steps-1.npy").unlink()
    with pytest.raises(RuntimeError, match="1 of 2 workers"):
        own.periods()


def test_the_clock_starts_with_the_last_worker(scaling, tmp_path, monkeypatch):
    own = scaling("paced").Paced(tmp_path, 2, ((0.0, 1.0),))
    for process in (1, 2, 3):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        assert own.begin() is None or process == 3
        own.report()
    assert own.begin() == float((tmp_path / "begin-2").read_text())


def test_joint_rate_leaves_out_who_is_alone(scaling):
    joint_rate = scaling("real").joint_rate
    early, late = [0.0, 1.0, 2.0, 4.0, 6.0, 8.0], [3.0, 4.0, 6.0, 8.0, 9.0]
    assert joint_rate([early, late]) == pytest.approx(1.0)
    with pytest.raises(RuntimeError, match="same time"):
        joint_rate([[0.0, 1.0, 2.0], [5.0, 6.0, 7.0]])


def test_the_paper_network_takes_255_mflop(scaling):
    assert scaling("step").flop_per_sample() == pytest.approx(255e6, rel=0.01)


def test_a_loss_is_reached_between_two_validations(scaling):
    course = scaling("equal_loss").Course(
        [10.0, 6.0, 6.5, 2.0], [0, 1, 2, 3], [0, 10, 20, 30], [0, 1, 2, 3], {}
    )
    assert course.at(8) == pytest.approx((0.5, 5, 0.5))
    assert course.at(6.0) == pytest.approx((1, 10, 1))
    assert course.at(1.0) is None


@pytest.mark.parametrize(("in_step", "seconds"), [(True, [0.0, 2.0]), (False, [0.0, 3.0])])
def test_time_to_a_loss_is_time_of_training(scaling, in_step, seconds):
    history = pd.DataFrame(
        [(0, 5.0, 9.0, 0, "validation"), (1, 7.0, 8.0, 10, "train"), (2, 8.0, 7.0, 20, "train"),
         (2, 9.0, 6.0, 20, "validation")],
        columns=["step", "time_s", "loss", "samples", "split"],
    )  # fmt: skip
    timeline = pd.DataFrame(
        [("validate", 4.0, 5.0), ("compute", 5.0, 6.5), ("validate", 6.5, 7.5), ("compute", 7.5, 8.0)],
        columns=["phase", "start_s", "end_s"],
    )
    course = scaling("equal_loss").follow(history, timeline, in_step, {})
    assert course.losses == [9.0, 6.0] and course.seconds == seconds and course.updates == [0, 2]


def test_measurements_take_turns(scaling):
    order = []
    measures = {key: lambda key=key: order.append(key) or len(order) for key in "ab"}
    assert scaling("rows").in_turns(measures, 2) == {"a": [1, 3], "b": [2, 4]}
    assert order == list("abab")


def test_tables_come_from_what_was_measured(scaling, results, tmp_path, capsys):
    tables, exchange = scaling("tables"), scaling("exchange")
    results.write(
        "exchange",
        [
            results.row([30.0, 10.0, 20.0], way=exchange.OURS, workers=1, servers=1, ratio=0.951),
            results.row([], way=exchange.PAIRS, workers=1, servers=1, ratio=None),
        ],
        exchange.COLUMNS,
    )
    page = tmp_path / "page.md"
    markers = "".join(f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in tables.TABLES)
    page.write_text("before\n" + markers + "after\n")
    tables.fill(results, page, page)
    text = page.read_text()
    assert "| dca downpour | 1 | 1 | 10.0 | 20.0 | 30.0 | 0.95 |" in text
    assert "| pair_worlds.py | 1 | 1 | – | – | – | – |" in text
    assert text.startswith("before\n") and text.endswith("after\n")
    assert (
        text.count("old\n") == len(tables.TABLES) - 1 and "scaling: not measured" in capsys.readouterr().out
    )
    once = text
    tables.fill(results, page, page)
    assert page.read_text() == once
    with pytest.raises(ValueError, match="no markers for exchange"):
        tables.replace("", "exchange", "")


def test_the_page_has_a_place_for_every_table(scaling):
    text = (BENCHMARKS.parent / "docs" / "scaling.md").read_text()
    for name in scaling("tables").TABLES:
        assert f"<!-- {name} -->\n" in text and f"<!-- /{name} -->" in text


def test_the_page_shows_the_tables_there_are(scaling, tmp_path):
    results = scaling("rows").Results(BENCHMARKS / "results")
    page, filled = BENCHMARKS.parent / "docs" / "scaling.md", tmp_path / "scaling.md"
    scaling("tables").fill(results, page, filled)
    assert filled.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_what_to_choose_is_said_with_the_numbers_of_the_tables():
    def get(name, column, form, **row):
        table = read_tsv(BENCHMARKS / "results" / f"{name}.tsv")
        for key, value in row.items():
            table = table[table[key] == value]
        return format(table[column].iloc[0], form)

    def step(threads):
        return get("step", "median", ".0f", what="dca step", threads=threads)

    def paced(workers, overlap, form):
        kind = {"servers": 1, "overlap": overlap, "compute_s": 1.0}
        return get("scaling", "speedup", form, workers=workers, **kind)

    def loss(mode, workers):
        return get("equal-loss", "final_ratio", ".2f", mode=mode, workers=workers, warmup=False)

    def exchange(servers):
        return get("exchange", "ratio", ".2f", way="dca downpour", workers=1, servers=servers)

    def model(column, form, cluster, **row):
        return get("model", column, form, cluster=cluster, servers=1, **row)

    h100 = {"cluster": "H100, 400 Gb/s", "compute_s": 0.027, "compression": "none"}
    link = {"cluster": "GPUs, 25 Gb/s", "compute_s": 1.0, "n": 1}
    wire = [
        format(1000 * float(model("exchange_s", "", compression=own, **link)), ".0f")
        for own in ("none", "bfloat16")
    ]
    text = (BENCHMARKS.parent / "docs" / "training.md").read_text(encoding="utf-8")
    for words in (
        f"{step(1)} GFLOP/s with one thread and {step(2)} with two",
        f"give {get('real', 'speedup', '.2f', mode='downpour', workers=2)} × one process on one core",
        f"end at {loss('downpour', 2)} × its loss",
        f"two workers are {paced(2, True, '.2f')} × and 13 are {paced(13, True, '.1f')} × as fast",
        f"without overlap {paced(2, False, '.2f')} and {paced(13, False, '.1f')} ×",
        f"{loss('downpour', 2)} × that of `single` with `downpour`, {loss('sync', 2)} × with `sync`",
        f"({exchange(2)} against {exchange(1)} of the bare exchange)",
        f"{model('speedup', '.1f', n=1, **h100)} × with 1, {model('speedup', '.0f', n=5, **h100)} × with 5",
        f"{wire[0]} ms an exchange become {wire[1]} at 25 Gb/s",
    ):
        assert words in text, words


def test_a_fit_needs_something_to_fit_to(scaling, results):
    with pytest.raises(InputError, match="exchange"):
        scaling("cost").measure(results.__class__(results.folder, quick=True))


def test_equal_loss_counts_only_who_reached_it(scaling, results):
    module = scaling("equal_loss")
    single = module.Course([10.0, 6.0, 4.0], [0, 2, 4], [0, 10, 20], [0, 100, 200], {})
    faster = module.Course([10.0, 6.0, 5.0], [0, 1, 2], [0, 12, 24], [0, 120, 240], {"10": 1, "2": 3})
    never = module.Course([10.0, 9.0, 8.0], [0, 1, 2], [0, 12, 24], [0, 120, 240], {"2": 1})
    row = module._row(results, ("downpour", 2, False), [faster, never], [single, single], 1)
    assert (row["reached"], row["repeats"], row["median"]) == ("1 of 2", 1, 1.0)
    assert (row["speedup"], row["updates_ratio"], row["rows_ratio"]) == (2.0, 1.2, 1.2)
    assert row["final_ratio"] == 1.625 and row["staleness"] == '{"2": 4, "10": 1}'
