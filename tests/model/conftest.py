import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dca.model import Architecture, build


@pytest.fixture(scope="session")
def reference():
    """The independent NumPy network beside this file."""
    spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small():
    """An architecture with odd lengths at two poolings: 37, 19, 7."""
    return Architecture(37, (3, 4, 5), (5, 3, 4), (2, 3), 6, 0.5, True)


@pytest.fixture(scope="session")
def model(small):
    return build(small, seed=3)


@pytest.fixture
def series(small):
    return np.random.default_rng(0).standard_normal((4, small.length)).astype(np.float32)
