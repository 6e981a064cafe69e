import pytest
import yaml

from dca.config import DEFAULTS, SCHEMA, config_hash, detrends, load, merge, resolve
from dca.errors import ConfigError


def schema_defaults(schema):
    if schema.get("type") == "object" and "properties" in schema:
        return {key: schema_defaults(value) for key, value in schema["properties"].items()}
    return schema["default"]


def test_defaults_of_schema_and_config_agree():
    schema = yaml.safe_load(SCHEMA.read_text())
    assert schema_defaults(schema) == yaml.safe_load(DEFAULTS.read_text())


def test_every_setting_is_described():
    def described(schema, name):
        for key, value in schema.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"
            described(value, f"{name}.{key}")

    described(yaml.safe_load(SCHEMA.read_text()), "config")


def test_a_users_file_gives_only_what_differs(tmp_path):
    path = tmp_path / "mein Versuch – ü.yaml"
    path.write_text("train: {workers: 5}\nglm:\n", encoding="utf-8")
    config = load(path)
    assert config["train"]["workers"] == 5
    assert config["train"]["servers"] == 1
    assert config["glm"]["noise"] == "ar1"


@pytest.mark.parametrize(
    ("user", "problem", "remedy"),
    [
        ({"train": {"worker": 3}}, "unknown setting `train.worker`", "did you mean `workers`?"),
        ({"trian": {}}, "unknown setting `trian`", "did you mean `train`?"),
        ({"xyz": 1}, "unknown setting `xyz`", "known here: results"),
        ({"train": {"workers": "two"}}, 'setting `train.workers` is "two"', "integer"),
        ({"train": {"workers": 0}}, "setting `train.workers` is 0", "minimum 1"),
        ({"train": 3}, "setting `train` is 3", "object"),
        ({"input": {"validation": 1.5}}, "setting `input.validation` is 1.5", "Fraction of subjects"),
        ({"decompose": {"setups": []}}, "setting `decompose.setups` is []", "minItems"),
        ({"glm": {"contrasts": {"a/b": {"x": 1}}}}, "setting `glm.contrasts`", "pattern"),
        ({"train": {"learning_rate": float("nan")}}, "not a finite number", ".nan"),
        ({"encode": {"dictionary": "d"}}, "encode.dictionary needs encode.model", "name the model"),
        (
            {"encode": {"model": "m"}, "decompose": {"level": "both"}},
            "decompose.level needs encode.dictionary",
            "level: run",
        ),
        (
            {"encode": {"model": "m", "dictionary": "d"}, "decompose": {"level": "group"}},
            "no group dictionary of signals",
            "leave raw out",
        ),
        ({"preprocess": {"censor_fd_mm": 0.5}}, "censor_fd_mm needs preprocess.regress", "regress: drift"),
        ({"preprocess": {"backend": "fsl", "regress": "drift"}}, "not for backend fsl", "glm.confounds"),
        ({"preprocess": {"backend": "fsl", "slice_timing": True}}, "slice_timing is not for", "native"),
        ({"preprocess": {"backend": "none", "registration": "affine"}}, "not for backend none", "none"),
        ({"preprocess": {"backend": "none", "smooth_mm": 6}}, "smooth_mm is not for backend none", "native"),
        ({"preprocess": {"backend": "spm"}}, '`preprocess.backend` is "spm"', "one of fsl, native, none"),
        ({"input": {"source": "hcp"}}, "hcp is preprocessed already", "backend: none"),
    ],
)
def test_a_wrong_setting_gets_one_line_with_the_file_and_the_way_out(user, problem, remedy):
    with pytest.raises(ConfigError) as caught:
        resolve(user, "my.yaml")
    line = str(caught.value)
    assert line.startswith("my.yaml: ") and "\n" not in line
    assert problem in line and remedy in line


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "just words"])
def test_what_is_not_settings_is_refused(tmp_path, text):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"my\.yaml"):
        load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")


def test_merging_leaves_its_arguments_alone():
    base, top = {"a": {"b": [1]}}, {"a": {"c": [2]}}
    merged = merge(base, top)
    merged["a"]["b"].append(9)
    merged["a"]["c"].append(9)
    assert (base, top) == ({"a": {"b": [1]}}, {"a": {"c": [2]}})


def test_the_hash_depends_on_values_not_on_order():
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})


@pytest.mark.parametrize(
    ("detrend", "backend", "expected"),
    [("auto", "none", True), ("auto", "native", False), (True, "native", True), (False, "none", False)],
)
def test_a_line_is_taken_out_where_no_filter_of_ours_did(detrend, backend, expected):
    config = resolve({"signals": {"detrend": detrend}, "preprocess": {"backend": backend}}, "x")
    assert detrends(config) is expected
