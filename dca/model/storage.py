"""Saving a model as a folder of a card and weights, and rebuilding it from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dca.errors import ModelError
from dca.files import atomic, checksum, write_json
from dca.model.autoencoder import Autoencoder, build
from dca.model.card import CARD, card_architecture, make_card, read_card

WEIGHTS = "model.weights.h5"


class SavedModel(NamedTuple):
    """A model read back, with its card."""

    model: Autoencoder
    card: dict[str, Any]


def save_model(model: Autoencoder, folder: str | Path, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``model.weights.h5`` and ``card.json``.

    Each file is written atomically, the card last and with the checksum of the weights: a model that
    an interruption left half replaced is told from a whole one.

    Parameters
    ----------
    model : Autoencoder
    folder : path
        Made if missing; a model in it is replaced.
    extra : mapping
        What the card says beyond the architecture; plain JSON.

    Returns
    -------
    dict
        The card.
    """
    folder = Path(folder)
    with atomic(folder / WEIGHTS) as temporary:
        model.save_weights(temporary)
    card = make_card(model.architecture, checksum(folder / WEIGHTS), model.count_params(), extra)
    write_json(folder / CARD, card)
    return card


def load_model(folder: str | Path) -> SavedModel:
    """Rebuild a model from its card and load its weights; nothing is unpickled.

    Raises
    ------
    ModelError
        If the folder is not that of a model, a file is missing or damaged, or the card is of another
        schema version.
    """
    card = read_card(folder)
    path = Path(folder) / WEIGHTS
    remedy = "train again, or copy the whole model folder anew"
    if not path.is_file():
        raise ModelError(path, "does not exist", remedy)
    if checksum(path) != card["weights_sha256"]:
        raise ModelError(path, "is damaged or belongs to another card", remedy)
    model = build(card_architecture(card, Path(folder) / CARD))
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(path, f"does not fit the card ({_first_line(error)})", remedy) from error
    return SavedModel(model, card)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
