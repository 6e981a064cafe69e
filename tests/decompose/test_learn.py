import json
import logging

import numpy as np
import pytest

from dca.decompose import learn
from dca.decompose.odl import unit
from dca.decompose.result import read_coefficients, read_dictionary
from dca.errors import ConfigError, InputError, ModelError, ShardError

from .conftest import HIDDEN, NETWORKS, N, T, make_features, make_shard

K = 12
SETTINGS = {"atoms": K, "normalise": "unit", "lam": 0.3, "batch_size": 64, "passes": 4, "seed": 0}


@pytest.fixture
def linear_decoder(monkeypatch):
    """Stands in for the decoder: a fixed matrix, and a record of what it was given."""
    seen = {}
    matrix = np.random.default_rng(9).normal(size=(T, HIDDEN))

    def decode(dictionary, model_folder, reference_norm, mean):
        seen.update(dictionary=dictionary, reference_norm=reference_norm, mean=mean)
        return matrix @ dictionary + 3

    monkeypatch.setattr("dca.decompose.dictionary.decode", decode)
    seen["matrix"] = matrix
    return seen


def learn_dca(run, out, **changes):
    options = {"setup": "dca", "model_folder": run.model, "shard": run.shard, **SETTINGS} | changes
    return learn(run.features, out, **options)


@pytest.mark.parametrize("normalise", ["unit", "zscore"])
def test_signals_to_dictionary(run, networks, tmp_path, normalise):
    scale = 1 if normalise == "unit" else np.sqrt(T)
    options = SETTINGS | {"normalise": normalise, "lam": 0.3 * scale}
    summary = learn(run.shard, tmp_path / "öut", setup="raw", **options)
    D, A = read_dictionary(tmp_path / "öut", T), read_coefficients(tmp_path / "öut", (K, N))
    np.testing.assert_allclose(D.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(D, axis=0), 1, rtol=1e-5)
    assert (A.sum(axis=1) >= -1e-5).all()
    X = scale * unit(run.rows.T)
    residual = X - D @ A.toarray()
    assert summary["r2"] == pytest.approx(1 - np.square(residual).sum() / np.square(X).sum(), abs=1e-5)
    assert np.abs(D.T @ residual).max() < options["lam"] + 1e-4 * scale
    assert summary["r2"] > 0.4
    strongest = np.abs(networks[0].T @ D[:, :NETWORKS]).max(axis=1)
    assert np.median(strongest) > 0.97
    assert summary["sample"]["final"] < summary["sample"]["initial"]
    assert summary["objective"] == pytest.approx(summary["sample"]["final"])  # the sample is everything here
    assert summary["density_percent"] == pytest.approx(100 * A.nnz / (K * N))
    assert summary["energy_percent"] == sorted(summary["energy_percent"], reverse=True)
    assert sum(summary["energy_percent"]) == pytest.approx(100, abs=0.1)
    assert (summary["voxels"], summary["length"], summary["iterations"]) == (N, T, 19)


def test_files(run, tmp_path):
    summary = learn(run.shard, tmp_path, setup="raw", **SETTINGS)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["coefficients.npz", "dictionary.json", "dictionary.tsv", "summary.json"]
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    header = (tmp_path / "dictionary.tsv").read_text().splitlines()[0].split("\t")
    assert header == [f"atom_{i:03d}" for i in range(K)]
    assert "norm 1" in json.loads((tmp_path / "dictionary.json").read_text())["atom_*"]["Description"]


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        learn(run.shard, tmp_path / name, setup="raw", **SETTINGS | {"seed": seed})
    for name in ("dictionary.tsv", "coefficients.npz", "summary.json"):
        a, b, c = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert a == b
        assert a != c


def test_features_are_centred_and_atoms_decoded(run, linear_decoder, tmp_path):
    summary = learn_dca(run, tmp_path, lam=0.1)
    D, A = read_dictionary(tmp_path, T), read_coefficients(tmp_path, (K, N))
    centred = run.codes - run.codes.mean(axis=0)
    np.testing.assert_allclose(linear_decoder["mean"], run.codes.mean(axis=0), rtol=1e-5)
    norm = np.median(np.linalg.norm(centred, axis=1))
    assert linear_decoder["reference_norm"] == pytest.approx(norm, rel=1e-4)
    atoms = linear_decoder["dictionary"]
    assert atoms.shape == (HIDDEN, K)
    X = unit(centred.T)
    assert np.abs(atoms.T @ (X - atoms @ A.toarray())).max() < 0.1 + 1e-4
    expected = linear_decoder["matrix"] @ atoms
    expected = unit(expected - expected.mean(axis=0))
    np.testing.assert_allclose(D, expected, atol=1e-5)
    assert (summary["length"], summary["setup"], summary["flat_atoms"]) == (HIDDEN, "dca", 0)


def test_a_decoder_that_makes_flat_lines_is_told(run, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr("dca.decompose.dictionary.decode", lambda dictionary, *_: np.ones((T, K), np.float32))
    with caplog.at_level(logging.WARNING):
        summary = learn_dca(run, tmp_path, lam=0.1)
    assert summary["flat_atoms"] == K
    assert any("flat line" in warning for warning in summary["warnings"])
    assert "flat line" in caplog.text


def test_real_decoder(run, tmp_path):
    from dca.model import Architecture, build, save_model

    card = save_model(
        build(Architecture(T, (2, 3), (5, 3), (2,), HIDDEN, 0.0, False), seed=1), tmp_path / "m", {}
    )
    features = make_features(tmp_path / "h.h5", run.shard, run.codes, card["weights_sha256"])
    summary = learn(features, tmp_path / "out", setup="dca", model_folder=tmp_path / "m", **SETTINGS)
    D = read_dictionary(tmp_path / "out", T)
    np.testing.assert_allclose(np.linalg.norm(D, axis=0), 1, rtol=1e-5)
    assert summary["flat_atoms"] == 0


@pytest.mark.parametrize(("lam", "advice"), [(1.5, "lower"), (0.0001, "raise")])
def test_unfit_lambda_warns(run, tmp_path, caplog, lam, advice):
    with caplog.at_level(logging.WARNING):
        summary = learn(run.shard, tmp_path, setup="raw", **SETTINGS | {"lam": lam})
    (warning,) = summary["warnings"]
    assert f"{advice} decompose.lambda" in warning
    assert warning in caplog.text


def test_fitting_lambda_does_not_warn(run, tmp_path):
    assert learn(run.shard, tmp_path, setup="raw", **SETTINGS)["warnings"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"lam": 0.2, "batch_size": 4, "passes": 0.1}, "has not converged"),
        ({"batch_size": N, "passes": 3}, "cannot tell whether it has converged"),
    ],
)
def test_a_dictionary_that_may_not_have_converged_warns(run, tmp_path, caplog, change, expected):
    summary = learn(run.shard, tmp_path, setup="raw", **SETTINGS | change)
    (warning,) = summary["warnings"]
    assert expected in warning and "raise decompose.passes" in warning and warning in caplog.text
    assert (summary["last_quarter_fall_percent"] is None) == (summary["iterations"] < 4)


@pytest.mark.parametrize("voxels", [1, 2, 5])
def test_tiny_runs(tmp_path, voxels):
    rows = np.random.default_rng(0).normal(size=(voxels, T)).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    shard = make_shard(tmp_path / "run.h5", rows)
    summary = learn(shard, tmp_path, setup="raw", **SETTINGS)
    D = read_dictionary(tmp_path, T)
    assert D.shape == (T, K)
    assert read_coefficients(tmp_path, (K, voxels)).nnz
    assert summary["unused_atoms"] >= K - voxels * T
    assert summary["r2"] > 0.3


def test_a_regressed_course_of_an_unused_atom_is_no_fault_of_a_model(tmp_path):
    random = np.random.default_rng(0)
    shard = make_shard(tmp_path / "s.h5", random.normal(size=(5, T)).astype(np.float32))
    options = SETTINGS | {"lam": 0.9, "courses": "regressed"}
    summary = learn(shard, tmp_path / "out", setup="raw", **options)
    assert summary["unused_atoms"] and not any("decoded" in warning for warning in summary["warnings"])


def test_features_of_another_model_or_run_are_refused(run, tmp_path):
    other = make_features(tmp_path / "other.h5", run.shard, run.codes, "beef")
    with pytest.raises(ModelError, match="not the model that made"):
        learn(other, tmp_path, setup="dca", model_folder=run.model, **SETTINGS)
    fewer = make_shard(tmp_path / "fewer.h5", run.rows[:-1].astype(np.float32))
    with pytest.raises(ShardError, match="other voxels"):
        learn_dca(run, tmp_path, shard=fewer)
    with pytest.raises(ConfigError, match="needs a model"):
        learn(run.features, tmp_path, setup="dca", **SETTINGS)
    assert not (tmp_path / "summary.json").exists()


def test_features_that_are_not_finite_are_refused(run, tmp_path):
    codes = np.array(run.codes)
    codes[7, 1] = np.inf
    bad = make_features(tmp_path / "bad.h5", run.shard, codes, "f00d")
    with pytest.raises(ShardError, match="not finite"):
        learn(bad, tmp_path, setup="dca", model_folder=run.model, **SETTINGS)


def test_a_dead_encoder_is_an_error(run, tmp_path):
    same = make_features(tmp_path / "same.h5", run.shard, np.full((N, HIDDEN), 0.3), "f00d")
    with pytest.raises(ShardError, match="no voxel that varies"):
        learn(same, tmp_path, setup="dca", model_folder=run.model, **SETTINGS)


@pytest.mark.parametrize(
    "change",
    [
        {"setup": "both"},
        {"atoms": 1},
        {"normalise": "none"},
        {"lam": 0},
        {"lam": float("nan")},
        {"passes": -1},
        {"batch_size": 0},
        {"threads": 0},
    ],
)
def test_settings_out_of_range(run, tmp_path, change):
    with pytest.raises(ConfigError, match="decompose"):
        learn(run.shard, tmp_path, **{"setup": "raw", **SETTINGS, **change})


def test_unreadable_results_are_one_clear_error(run, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_coefficients(tmp_path, (K, N))
    learn(run.shard, tmp_path, setup="raw", **SETTINGS)
    with pytest.raises(InputError, match="has shape"):
        read_coefficients(tmp_path, (K, N + 1))
    with pytest.raises(InputError, match="volumes"):
        read_dictionary(tmp_path, T + 1)
    whole = (tmp_path / "coefficients.npz").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK\x03\x04 nonsense"):
        (tmp_path / "coefficients.npz").write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            read_coefficients(tmp_path, (K, N))
    for cell in ("n/a", "x"):
        rows = (tmp_path / "dictionary.tsv").read_text().split("\n")
        rows[3] = "\t".join([cell, *rows[3].split("\t")[1:]])
        (tmp_path / "dictionary.tsv").write_text("\n".join(rows))
        with pytest.raises(InputError, match=r"not finite|no number"):
            read_dictionary(tmp_path, T)
