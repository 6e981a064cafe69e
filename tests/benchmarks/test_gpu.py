"""The loss that benchmarks/gpu.py computes on a GPU is that of DCA's own step."""

import numpy as np
import pytest


def test_the_loss_is_that_of_the_reference(load_benchmark, tmp_path):
    gpu = load_benchmark("gpu")
    gpu.reference(tmp_path / "reference.npz")
    known = np.load(tmp_path / "reference.npz")
    loss = gpu.loss_of(*gpu.weighed(), gpu.rows_of(gpu.REFERENCE_ROWS))
    assert float(loss) == pytest.approx(float(known["loss"]), rel=1e-5)
    assert np.isfinite(known["gradient"]).all() and known["gradient"].any()
