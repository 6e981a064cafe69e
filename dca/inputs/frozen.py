"""A trained model that is kept as it is: what it was trained on, however the study grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dca.errors import InputError
from dca.files import read_json

CARD = Path("train", "model", "card.json")
_USED = ("trained_on", "architecture")


def frozen_card(config: dict[str, Any], results: str | Path) -> dict[str, Any] | None:
    """Card of the model that `train.freeze` keeps.

    None without that setting, before the first training, or with a model from elsewhere (`encode.model`).

    Raises
    ------
    InputError
        If the card is damaged.
    """
    path = Path(results, CARD)
    whole = path.exists() and Path(results, "train", "summary.json").exists()  # The latter comes last.
    if not config["train"]["freeze"] or config["encode"]["model"] or not whole:
        return None
    card = read_json(path)
    if not isinstance(card, dict) or not all(name in card for name in _USED):
        raise InputError(
            path, "is not the card of a trained model", "set train.freeze: false, and train again"
        )
    return card
