"""Simulated task-fMRI with known truth: the embedded demo, and the data behind tests and validation.

`simulate_dataset`, `simulate_subject`, `write_dataset_files` and `Scenario` are loaded when first
asked for, because a workflow imports `dca.simulate.layout` alone to plan a dataset that does not
exist yet, and should not wait for the numerical libraries.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Scenario": "scenario",
    "simulate_dataset": "dataset",
    "simulate_subject": "subject",
    "write_dataset_files": "dataset",
}
__all__ = ["Scenario", "simulate_dataset", "simulate_subject", "write_dataset_files"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
