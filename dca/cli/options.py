"""What the commands' parsers have in common."""

from __future__ import annotations

import argparse
from typing import Any

import yaml

from dca.config import Config, load, merge, resolve
from dca.errors import ConfigError


def command(groups: Any, name: str, run: Any, text: str, settings: bool = False) -> argparse.ArgumentParser:
    """Add one command to a parser; with `settings` it takes a settings file and single values."""
    parser = groups.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run)
    if settings:
        parser.add_argument(
            "--config", action="append", default=[], help="settings file, as for the workflow"
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="one setting, as in glm.hrf=glover",
        )
    return parser


def settings(arguments: argparse.Namespace) -> Config:
    """Complete settings from the files and the single values of the command line."""
    config = load(*arguments.config)
    for word in arguments.set:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set {word}", "is not KEY=VALUE", "write for example --set glm.hrf=glover")
        try:
            nested: Any = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {word}", "has a value that is not YAML", "quote it") from error
        for part in reversed(key.split(".")):
            nested = {part: nested}
        config = merge(config, nested)
    return resolve(config, arguments.set[-1] if arguments.set else (arguments.config or ["--config"])[-1])
