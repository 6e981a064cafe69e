"""The convolutional autoencoder: architecture, layers, saved form, decoding of atoms."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dca.model.architecture import Architecture

__all__ = ["Architecture", "Autoencoder", "build", "decode_atoms", "load_model", "save_model"]

# TensorFlow takes seconds to import, so what needs it is imported when it is first asked for.
_HEAVY = {
    "Autoencoder": "dca.model.autoencoder",
    "build": "dca.model.autoencoder",
    "decode_atoms": "dca.model.decode",
    "load_model": "dca.model.storage",
    "save_model": "dca.model.storage",
}


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HEAVY[name]), name)
