from dataclasses import replace

import numpy as np
import pytest

from dca.model import Architecture, build
from dca.train.flat import get_flat, n_parameters


def test_the_paper_network_has_the_documented_number_of_parameters():
    model = build(Architecture.from_config({}, 284))
    assert n_parameters(model) == 6_020_381
    assert [tuple(v.shape) for v in model.trainable_variables][::2] == [
        (21, 1, 32), (9, 32, 64), (9, 64, 128), (9, 128, 256), (9216, 284), (284, 9216),
        (9, 256, 128), (9, 128, 64), (9, 64, 32), (21, 32, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("switches", [True, False])
def test_every_part_agrees_with_numpy(reference, small, series, switches):
    a = replace(small, switches=switches)
    model = build(a, seed=1)
    flat = get_flat(model).astype(np.float64)
    output, z, h, z_decoded = reference.forward(a, flat, series.astype(np.float64))
    got = model.forward(series)
    np.testing.assert_allclose(got.output, output, atol=1e-5)
    np.testing.assert_allclose(got.z, z, atol=1e-5)
    np.testing.assert_allclose(got.z_decoded, z_decoded, atol=1e-5)
    np.testing.assert_allclose(model.encode(series), h, atol=1e-5)
    np.testing.assert_array_equal(model(series), got.output)


def test_decoding_a_code_with_its_switches_gives_the_reconstruction(model, series):
    decoded = model.decode(model.encode(series), model.switches_of(series))
    np.testing.assert_allclose(decoded, model(series), atol=1e-6)
    assert not np.allclose(decoded, model.decode(model.encode(series)), atol=1e-3)


def test_the_seed_settles_the_weights(small):
    first, again, other = (get_flat(build(small, seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.5


@pytest.mark.parametrize("length", [32, 33, 51, 284])
def test_any_length_works(length):
    a = Architecture(length, (2, 2, 2, 2), (21, 9, 9, 9), (2, 2, 2), 5, 0.006, True)
    assert build(a)(np.zeros((3, length), np.float32)).shape == (3, length)
