import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dca.errors import ConfigError
from dca.model import Architecture


def test_the_paper_preset_is_the_default():
    a = Architecture.from_config({"preset": "paper", "hidden": None, "penalty": None}, 284)
    assert a == Architecture.from_config({}, 284)
    assert (a.features, a.filters, a.pooling) == ((32, 64, 128, 256), (21, 9, 9, 9), (2, 2, 2))
    assert (a.hidden, a.penalty, a.switches) == (284, 0.006, True)
    assert a.lengths == (284, 142, 71, 36)


def test_the_recommended_preset_trains_without_switches():
    a = Architecture.from_config({"preset": "recommended"}, 284)
    assert (a.features, a.filters, a.pooling) == ((16, 32, 64, 128), (21, 9, 9, 9), (2, 2, 2))
    assert (a.hidden, a.penalty, a.switches) == (128, 0.006, False)
    assert Architecture.from_config({"preset": "recommended", "hidden": 64}, 284).hidden == 64


def test_settings_override_the_preset():
    a = Architecture.from_config(
        {"hidden": 64, "switches": False, "penalty": 0, "features": [8, 4, 2, 1]}, 100
    )
    assert (a.hidden, a.switches, a.penalty, a.features) == (64, False, 0, (8, 4, 2, 1))


def test_one_pool_size_is_that_of_all_layers():
    a = Architecture.from_config({"pooling": 3, "features": [8, 4, 2], "filters": [5, 3, 3]}, 100)
    assert (a.pooling, a.lengths) == ((3, 3), (100, 34, 12))


@given(st.integers(32, 2000), st.lists(st.integers(1, 5), max_size=4))
def test_json_and_back(length, pooling):
    layers = len(pooling) + 1
    a = Architecture(length, (4,) * layers, (3,) * layers, tuple(pooling), 7, 0.1, True)
    assert Architecture.from_dict(json.loads(json.dumps(a.to_dict()))) == a
    assert all(n >= 1 for n in a.lengths)


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ({"preset": "nosuch"}, "model.preset"),
        ({"depth": 3}, "model.depth"),
        ({"features": [32, 64]}, "pool sizes"),
        ({"filters": [21, 9, 9, 0]}, "model.filters"),
        ({"features": [32, 64, 128, True]}, "model.features"),
        ({"penalty": -1}, "model.penalty"),
        ({"features": [], "filters": [], "pooling": []}, "model.features"),
    ],
)
def test_impossible_settings_are_named(section, names):
    with pytest.raises(ConfigError, match=names):
        Architecture.from_config(section, 284)


def test_short_series_are_refused():
    Architecture.from_config({}, 32)
    with pytest.raises(ConfigError, match="31 time points"):
        Architecture.from_config({}, 31)
