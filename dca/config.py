"""Settings: the defaults of config.yaml, a user's file on top, checked against the schema."""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from dca.errors import ConfigError
from dca.preprocess import backends

ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = ROOT / "config.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
# Settings of preprocessing that not every backend can follow, and what to set without them.
WITHOUT = {
    "slice_timing": "slice_timing: false",
    "registration": "registration: none",
    "regress": "regress: none and glm.confounds",
    "smooth_mm": "smooth_mm: 0",
}

Config = dict[str, Any]


def read_yaml(path: str | Path) -> Config:
    """Read a YAML mapping.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML or is not a mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"cannot be read ({error})", "check the path and the encoding") from error
    except yaml.YAMLError as error:
        raise ConfigError(path, f"is not valid YAML ({error})", "mend the marked line") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(path, "does not hold settings", "write one `key: value` per line")
    return content


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> Config:
    """Lay `top` over `base`, section by section; an empty section changes nothing."""
    merged = copy.deepcopy(dict(base))
    for key, value in top.items():
        if isinstance(merged.get(key), dict) and (value is None or isinstance(value, Mapping)):
            merged[key] = merge(merged[key], value or {})
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def resolve(user: Mapping[str, Any], source: str | Path = "config") -> Config:
    """Complete a user's settings with the defaults and check them.

    Parameters
    ----------
    user : mapping
        Only what differs from the defaults.
    source : path
        What to name in an error: the user's file.

    Raises
    ------
    ConfigError
        For an unknown key, a wrong type or a value out of range.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    config = merge(read_yaml(DEFAULTS), user)
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(config), key=lambda e: e.json_path)
    if errors:
        raise _explain(errors[0], source)
    try:
        json.dumps(config, allow_nan=False)
    except ValueError as error:  # .nan and .inf pass every bound of the schema
        raise ConfigError(source, "a setting is not a finite number", "replace .nan or .inf") from error
    _check_backend(config["preprocess"], source)
    _check_encoding(config, source)
    if config["input"]["source"] == "hcp" and config["preprocess"]["backend"] != "none":
        raise ConfigError(
            source, "input.source: hcp is preprocessed already", "set preprocess: {backend: none}"
        )
    return config


def _check_encoding(config: Config, source: str | Path) -> None:
    model, dictionary = config["encode"]["model"], config["encode"]["dictionary"]
    if dictionary and not model:
        raise ConfigError(
            source, "encode.dictionary needs encode.model", "name the model that made its features"
        )
    if model and config["decompose"]["level"] != "run":
        if not dictionary:
            problem = "with encode.model nothing is learnt, so decompose.level needs encode.dictionary"
            raise ConfigError(source, problem, "name it, or set level: run")
        if "raw" in config["decompose"]["setups"]:
            problem = "with encode.model there is no group dictionary of signals"
            raise ConfigError(
                source, problem, "leave raw out of decompose.setups, or set decompose.level: run"
            )


def _check_backend(preprocess: Config, source: str | Path) -> None:
    name = preprocess["backend"]
    if name not in backends.names():
        problem, known = f"setting `preprocess.backend` is {json.dumps(name)}", ", ".join(backends.names())
        raise ConfigError(source, problem, f"it takes one of {known}")
    follows = backends.load(name).follows
    for key, without in WITHOUT.items():
        if preprocess[key] not in (False, "none") and key not in follows:
            others = [other for other in backends.names() if key in backends.load(other).follows]
            raise ConfigError(
                source,
                f"preprocess.{key} is not for backend {name}",
                f"set {without}, or backend: {' or '.join(others)}",
            )
    if preprocess["censor_fd_mm"] is not None and preprocess["regress"] == "none":
        raise ConfigError(
            source, "preprocess.censor_fd_mm needs preprocess.regress", "set regress: drift, or motion24"
        )


def load(*paths: str | Path) -> Config:
    """Read and resolve settings files, later ones on top; none gives the defaults."""
    user: Config = {}
    for path in paths:
        user = merge(user, read_yaml(path))
    return resolve(user, paths[-1] if paths else DEFAULTS)


def detrends(config: Mapping[str, Any]) -> bool:
    """Whether a line is taken out of every series: by default where no filter of ours took its drift."""
    setting = config["signals"]["detrend"]
    return config["preprocess"]["backend"] == "none" if setting == "auto" else setting


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of the settings in canonical JSON, as hex."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _explain(error: jsonschema.ValidationError, source: str | Path) -> ConfigError:
    """Turn a schema violation into one line that names the setting and the way out."""
    where = ".".join(str(part) for part in error.absolute_path)
    section: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = list(section.get("properties", {}))
        unknown = next((str(key) for key in error.instance if key not in known), "")
        near = difflib.get_close_matches(unknown, known, n=1)
        remedy = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return ConfigError(source, f"unknown setting `{'.'.join(filter(None, [where, unknown]))}`", remedy)
    wanted = {"enum": "one of", "const": "only", "anyOf": "one of", "type": "type"}.get(
        str(error.validator), ""
    )
    limit = json.dumps(_brief(error.validator_value))
    meaning = section.get("description", "")
    problem = f"setting `{where}` is {json.dumps(error.instance)}"
    rule = f"{wanted or error.validator} {limit}"
    return ConfigError(source, problem, f"it takes {rule}" + (f" ({meaning})" if meaning else ""))


def _brief(rule: Any) -> Any:
    """Shorten the alternatives of an `anyOf` to what a reader needs."""
    if isinstance(rule, list) and rule and all(isinstance(item, Mapping) for item in rule):
        return [item.get("const", item.get("type")) for item in rule]
    return rule
