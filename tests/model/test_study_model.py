from pathlib import Path

import pytest

from dca.errors import ConfigError, InputError
from dca.inputs import Run
from dca.model.study import check_runs

PAPER = {"preset": "paper", "features": None}


def run(run_id, volumes):
    return Run(run_id, "1", None, None, None, "train", 2.0, volumes, Path("b"), None, (), None, None, None)


def test_runs_that_are_long_enough_pass():
    check_runs(PAPER, [run("a", 32), run("b", 40)], "data")


def test_short_runs_are_named():
    with pytest.raises(InputError) as error:
        check_runs(PAPER, [run("a", 31), run("b", 40), run("c", 9)], "data")
    assert str(error.value) == (
        "data: 2 run(s) have fewer than the 32 volumes that the model needs: a (31), c (9); "
        "leave them out by the filters of input"
    )


def test_settings_that_make_no_network_are_told():
    with pytest.raises(ConfigError, match="model: has 4 feature counts, 2 filter lengths"):
        check_runs({**PAPER, "filters": [5, 3]}, [run("a", 40)], "data")
