"""The loss that benchmarks/gpu.py computes on a GPU is that of DCA's own step."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dca.model import Architecture, build


def test_the_loss_is_that_of_the_reference(tmp_path):
    path = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
    spec = importlib.util.spec_from_file_location("gpu", path)
    gpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gpu)
    gpu.reference(tmp_path / "reference.npz")
    known = np.load(tmp_path / "reference.npz")
    architecture = Architecture.from_config({}, gpu.LENGTH)
    model = build(architecture)
    gpu.weigh(model)
    loss = gpu.loss_of(model, architecture.penalty, gpu.rows_of(gpu.REFERENCE_ROWS))
    assert float(loss) == pytest.approx(float(known["loss"]), rel=1e-5)
    assert np.isfinite(known["gradient"]).all() and known["gradient"].any()
