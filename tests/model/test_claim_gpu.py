"""Each worker has a GPU of its own; here as TensorFlow would list those of a node."""

import pytest

from dca.model import backend


@pytest.mark.parametrize(("worker", "own"), [(0, "a"), (1, "b"), (2, "a")])
def test_a_worker_sees_one_gpu_and_takes_of_its_memory_what_it_needs(monkeypatch, worker, own):
    config, told = backend.tf.config, []
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: {"GPU": ["a", "b"]}[kind])
    monkeypatch.setattr(config, "set_visible_devices", lambda gpu, kind: told.append((gpu, kind)))
    monkeypatch.setattr(
        config.experimental, "set_memory_growth", lambda gpu, grows: told.append((gpu, grows))
    )
    backend.claim_gpu(worker)
    assert told == [(own, "GPU"), (own, True)]


def test_without_gpus_nothing_is_set(monkeypatch):
    monkeypatch.setattr(backend.tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(backend.tf.config, "set_visible_devices", None)  # calling it would be an error
    backend.claim_gpu(3)
