"""The card of a saved model: what it is, what it was trained on and with."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import dca
from dca.errors import ConfigError, InputError, ModelError
from dca.files import read_json
from dca.model.architecture import Architecture

SCHEMA = 1
CARD = "card.json"
NORMALISATION = "zscore per voxel"  # of every shard, and so of the series that a model is for
_REMEDY = "name the folder of a trained model, or train again"


def make_card(
    architecture: Architecture, weights_sha256: str, parameters: int, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Put together the content of ``card.json``.

    Parameters
    ----------
    architecture : Architecture
    weights_sha256 : str
        Checksum of the file of weights.
    parameters : int
        Number of trainable parameters.
    extra : mapping
        Where the model comes from: ``tr`` in seconds, ``normalisation``, ``preprocessing``, …
    """
    return {
        "schema": SCHEMA,
        "model": "DCA convolutional autoencoder",
        "architecture": architecture.to_dict(),
        "parameters": parameters,
        "weights_sha256": weights_sha256,
        "versions": versions(),
        **extra,
    }


def read_card(folder: str | Path) -> dict[str, Any]:
    """Read and check the card of a model folder; the weights are not looked at.

    Raises
    ------
    ModelError
        If there is none, or it is damaged or of another schema version.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise ModelError(folder, f"has no {CARD}, so it is no trained model", _REMEDY)
    try:
        card = read_json(path)
    except InputError as error:
        raise ModelError(path, error.problem, _REMEDY) from error
    if not isinstance(card, dict) or "schema" not in card:
        raise ModelError(path, "is not a model's card (no `schema`)", _REMEDY)
    if card["schema"] != SCHEMA:
        raise ModelError(
            path,
            f"has schema version {card['schema']}, this version of DCA reads {SCHEMA}",
            "train again, or use the version of DCA that wrote it",
        )
    missing = [name for name in ("architecture", "weights_sha256") if name not in card]
    if missing:
        raise ModelError(path, f"lacks {', '.join(missing)}", _REMEDY)
    return card


def card_architecture(card: Mapping[str, Any], path: str | Path) -> Architecture:
    """Rebuild the architecture that a card describes.

    Raises
    ------
    ModelError
        If it describes none.
    """
    try:
        return Architecture.from_dict(card["architecture"])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelError(path, f"describes no valid architecture ({error})", _REMEDY) from error


def versions() -> dict[str, str]:
    """Versions of what computes a model, for the record."""
    found = {"dca": dca.__version__, "python": platform.python_version()}
    for name in ("tensorflow", "tensorflow-cpu", "keras", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
