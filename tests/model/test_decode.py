import numpy as np
import pytest

from dca.model import decode_atoms


def test_atoms_are_scaled_centred_and_decoded_without_switches(model, small):
    random = np.random.default_rng(5)
    atoms = random.standard_normal((small.hidden, 3)).astype(np.float32)
    mean = random.standard_normal(small.hidden).astype(np.float32)
    got = decode_atoms(model, atoms, 2.5, mean)
    assert got.shape == (small.length, 3)
    unit = atoms / np.linalg.norm(atoms, axis=0)
    for k in range(3):
        alone = model.decode((mean + 2.5 * unit[:, k])[None]) - model.decode(mean[None])
        np.testing.assert_allclose(got[:, k], np.asarray(alone)[0], atol=1e-5)


def test_the_length_of_an_atom_does_not_matter_but_its_sign_does(model, small):
    atom = np.random.default_rng(1).standard_normal((small.hidden, 1)).astype(np.float32)
    one, ten, negative = (decode_atoms(model, factor * atom, 3.0) for factor in (1, 10, -1))
    np.testing.assert_allclose(one, ten, atol=1e-5)
    assert not np.allclose(one, -negative, atol=1e-3)


def test_no_atom_decodes_to_nothing(model, small):
    np.testing.assert_array_equal(decode_atoms(model, np.zeros((small.hidden, 2), np.float32), 3.0), 0)


def test_atoms_of_another_model_are_refused(model, small):
    with pytest.raises(ValueError, match="expected atoms"):
        decode_atoms(model, np.zeros((small.hidden + 1, 2), np.float32), 1.0)
