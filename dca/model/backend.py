"""TensorFlow and Keras, imported in one place with their start-up chatter off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Faster by a fifth where TensorFlow would not choose it by itself (x86 without AVX-512).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ["KERAS_BACKEND"] = "tensorflow"


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what C++ code writes to stderr; Python's exceptions are not affected."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


with _silence():  # oneDNN announces itself whatever the log level
    import tensorflow as tf

import keras  # noqa: E402

__all__ = ["claim_gpu", "keras", "set_threads", "tf"]


def set_threads(threads: int | None) -> None:
    """Limit TensorFlow to `threads` cores; call it before the first operation.

    TensorFlow fixes its thread pools at its first operation, so a later call changes nothing.

    Parameters
    ----------
    threads : int or None
        Threads within one operation; operations run one after another. None leaves it alone.
    """
    if threads is None:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        # Already running, as when a notebook trains twice: keep the pools it has.
        pass


def claim_gpu(worker: int) -> None:
    """Use one GPU of this machine, if there is any, and no more of its memory than needed.

    Call it before the first operation.

    Parameters
    ----------
    worker : int
        Worker i takes GPU i, modulo their number.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        own = gpus[worker % len(gpus)]
        tf.config.set_visible_devices(own, "GPU")
        tf.config.experimental.set_memory_growth(own, True)
