import json

import numpy as np
import pytest

from dca.errors import ModelError
from dca.model import load_model, save_model
from dca.model.card import read_card
from dca.train.flat import get_flat, set_flat


@pytest.fixture
def saved(model, tmp_path):
    folder = tmp_path / "ein Modell é"
    save_model(model, folder, {"tr": 2.0, "preprocessing": [{"smooth_mm": 0}]})
    return folder


def test_a_saved_model_comes_back_whole(model, saved, series):
    loaded = load_model(saved)
    np.testing.assert_array_equal(get_flat(loaded.model), get_flat(model))
    np.testing.assert_array_equal(loaded.model.encode(series), model.encode(series))
    assert loaded.model.architecture == model.architecture
    assert loaded.card["tr"] == 2.0
    assert loaded.card["parameters"] == get_flat(model).size
    assert {"dca", "keras", "numpy", "python"} <= loaded.card["versions"].keys()
    assert sorted(p.name for p in saved.iterdir()) == ["card.json", "model.weights.h5"]


def test_the_same_weights_make_the_same_files(model, saved, tmp_path):
    save_model(model, tmp_path / "again", {"tr": 2.0, "preprocessing": [{"smooth_mm": 0}]})
    for name in ("card.json", "model.weights.h5"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def edit(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    card.update(changes)
    (folder / "card.json").write_text(json.dumps({k: v for k, v in card.items() if v is not None}))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda folder: (folder / "card.json").unlink(), "has no card.json"),
        (lambda folder: (folder / "card.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "card.json").write_text("[]"), "no `schema`"),
        (lambda folder: edit(folder, schema=99), "schema version 99"),
        (lambda folder: edit(folder, weights_sha256=None), "lacks weights_sha256"),
        (lambda folder: edit(folder, architecture={"length": 3}), "no valid architecture"),
        (lambda folder: (folder / "model.weights.h5").unlink(), "does not exist"),
        (lambda folder: (folder / "model.weights.h5").write_bytes(b"x"), "damaged"),
    ],
)
def test_a_spoilt_model_is_refused_in_one_line(saved, harm, problem):
    harm(saved)
    with pytest.raises(ModelError, match=problem) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)


def test_weights_of_another_architecture_are_refused(saved):
    card = read_card(saved)
    edit(saved, architecture={**card["architecture"], "hidden": 9})
    with pytest.raises(ModelError, match="does not fit the card"):
        load_model(saved)


def test_an_interrupted_replacement_is_noticed(model, saved, monkeypatch):
    before = get_flat(model)
    monkeypatch.setattr("dca.model.storage.write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    set_flat(model, before + 1)
    with pytest.raises(KeyboardInterrupt):
        save_model(model, saved, {})
    set_flat(model, before)
    with pytest.raises(ModelError, match="belongs to another card"):
        load_model(saved)
