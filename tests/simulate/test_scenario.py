import numpy as np
import pytest

from dca.errors import ConfigError
from dca.simulate.scenario import Scenario, generator


@pytest.mark.parametrize(
    "option",
    [
        {"voxel_mm": 1},
        {"voxel_mm": "5"},
        {"voxel_mm": float("nan")},
        {"volumes": 10},
        {"volumes": 284.0},
        {"volumes": True},
        {"tr": 0},
        {"runs": 0},
        {"order": "random"},
        {"artefacts": 1},
        {"motion_mm": -1},
        {"response_spread": 2.1},
        {"voxels": 5},
    ],
)
def test_bad_options_name_the_setting(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        Scenario().with_options(**option)


def test_options_replace_the_defaults():
    changed = Scenario(tr=1.0).with_options(volumes=np.int64(100), voxel_mm=10)
    assert (changed.tr, changed.volumes, changed.voxel_mm, changed.duration_s) == (1.0, 100, 10, 100.0)


def test_streams_differ_by_purpose_and_key_and_repeat():
    draws = {
        key: generator(*key).random()
        for key in [(0, "a"), (0, "b"), (1, "a"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 1)]
    }
    assert len(set(draws.values())) == len(draws)
    assert generator(0, "a", 1).random() == draws[0, "a", 1]


@pytest.mark.parametrize("seed", [-1, 1.5, True, None])
def test_bad_seed(seed):
    with pytest.raises(ConfigError, match="seed"):
        generator(seed, "a")
