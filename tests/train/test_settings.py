from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dca.errors import ConfigError
from dca.train.settings import Plan, TrainSettings


def test_defaults_are_those_of_the_configuration_file():
    config = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    assert TrainSettings.from_config(config) == TrainSettings()
    assert asdict(TrainSettings()) == config["train"]


@pytest.mark.parametrize(
    ("rows", "batch"), [(1, 16), (1600, 16), (45_000, 150), (480_000, 1600), (10**7, 1600)]
)
def test_an_automatic_batch_is_the_papers_unless_data_are_small(rows, batch):
    assert TrainSettings(mode="single").resolve(rows).batch_size == batch


def test_automatic_warm_up_is_a_twentieth_of_one_workers_steps():
    plan = TrainSettings(workers=4, epochs=10, batch_size=10).resolve(4_000)
    assert plan == Plan(batch_size=10, steps_per_epoch=100, warmup_steps=50)
    assert TrainSettings(workers=4, epochs=10, batch_size=10, max_steps=400).resolve(4_000).warmup_steps == 5
    assert TrainSettings(workers=4, batch_size=10, warmup_steps=7).resolve(4_000).warmup_steps == 7
    for mode in ("single", "sync"):
        assert TrainSettings(mode=mode, workers=4).resolve(4_000).warmup_steps == 0


@given(
    rows=st.integers(0, 10**7), workers=st.integers(1, 20), epochs=st.integers(1, 5),
    steps=st.none() | st.integers(1, 100),
)  # fmt: skip
def test_a_plan_always_makes_sense(rows, workers, epochs, steps):
    plan = TrainSettings(workers=workers, epochs=epochs, max_steps=steps).resolve(rows)
    assert 16 <= plan.batch_size <= 1600
    assert plan.steps_per_epoch * plan.batch_size * workers >= rows
    assert 0 <= plan.warmup_steps <= plan.steps_per_epoch * epochs


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mode", "parallel"), ("workers", 0), ("epochs", 1.5), ("max_steps", 0), ("batch_size", "big"),
        ("learning_rate", 0), ("learning_rate", float("nan")), ("warmup_steps", -1), ("checkpoint_s", -1),
        ("n_push", True), ("momentum", 0.9), ("learning_rate", None), ("learning_rate", "1e-3"),
        ("clip_norm", "a"), ("checkpoint_s", None), ("overlap", "no"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(key, value):
    with pytest.raises(ConfigError, match=f"train.{key}"):
        TrainSettings.from_config({"train": {key: value}})


def test_overlap_cannot_be_without_staleness():
    with pytest.raises(ConfigError, match="max_staleness: is 0"):
        TrainSettings(overlap=True, max_staleness=0)
    assert TrainSettings(overlap=True, max_staleness=1).max_staleness == 1
