"""What benchmarks/scale.py measures on; the measuring itself is not for a test."""

from pathlib import Path

import numpy as np
import pytest

from dca.signals import Shard

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scale(load_benchmark_module):
    """Modules of benchmarks/scale/ by name."""
    return lambda name: load_benchmark_module(f"scale.{name}")


@pytest.fixture
def options(scale, tmp_path):
    """A small run."""
    scale("run").make_run(tmp_path, (8, 9, 8, 40), 300)
    return scale("run").Options(tmp_path, tmp_path, 1, True)


def test_every_part_has_its_function(scale, load_benchmark):
    for part, module in load_benchmark("scale").PARTS.items():
        assert callable(getattr(scale(module), part))


def test_a_shard_stored_in_another_way_is_the_same(scale, options, tmp_path):
    reading, whole = scale("reading"), options.shard()
    with Shard(whole) as shard:
        expected = shard.read(0, shard.n_voxels)
    for chunk, packing in reading.STORED.values():
        with Shard(reading.store(whole, tmp_path / "other.h5", chunk, packing)) as other:
            np.testing.assert_array_equal(other.read(0, other.n_voxels), expected)


def test_errors_of_16_bits_are_those_of_their_last_place(scale, options):
    table = scale("statistics").float16(options).set_index("of")
    assert 2**-13 < float(table.loc["value", "largest"]) <= 4 * 2**-11
    assert float(table.loc["value", "rms"]) < 0.0005 and float(table.loc["z", "rms"]) < 0.05


def test_hours_are_core_hours_over_cores(load_benchmark):
    projection = load_benchmark("projection")
    table = projection.project(projection.RESULTS, runs=240).set_index("stage")
    stages = table.drop(index="together")
    np.testing.assert_allclose(stages["hours"], stages["core_hours"] / stages["cores"], atol=0.06)
    assert table.loc["together", "hours"] == pytest.approx(stages["hours"].sum(), abs=0.1)
    assert stages.loc["train", "cores"] == 26 and stages.loc["z sums", "cores"] == 1
