from dataclasses import replace
from pathlib import Path

import pytest

from dca.errors import ConfigError, InputError, ModelError
from dca.files import write_json
from dca.inputs import Run
from dca.model.architecture import Architecture
from dca.model.card import make_card
from dca.model.study import check_runs, check_trained

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


def test_a_trained_model_is_for_runs_of_its_length_and_tr(tmp_path):
    write_json(tmp_path / "card.json", make_card(Architecture.from_config(PAPER, 40), "f00d", 0, {"tr": 2.0}))
    check_trained(tmp_path, [run("a", 40), run("b", 40)], crop=False)
    check_trained(tmp_path, [run("a", 40), run("b", 44)], crop=True)
    with pytest.raises(ModelError, match=r"of 40 time points, unlike 1 run\(s\): b \(44\)"):
        check_trained(tmp_path, [run("a", 40), run("b", 44)], crop=False)
    with pytest.raises(ModelError, match=r"TR of 2 s, unlike 1 run\(s\): b \(1.5 s\)"):
        check_trained(tmp_path, [run("a", 40), replace(run("b", 40), tr=1.5)], crop=False)
    with pytest.raises(ModelError, match="no trained model"):
        check_trained(tmp_path / "none", [run("a", 40)], crop=False)
