"""Any Keras model, trained by its own few functions: what docs/training.md shows."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dca.errors import ConfigError, DCAError
from dca.model.backend import keras, tf
from dca.train import distribute
from dca.train.custom import Custom
from dca.train.flat import get_flat
from dca.train.position import Position

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("processes")]

DOCS = Path(__file__).parents[2] / "docs" / "training.md"


def build():
    model = keras.Sequential([keras.layers.Conv1D(4, 3), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.build((None, 12, 1))
    return model


def loss(model, batch):
    x, y = batch
    return tf.reduce_mean(tf.square(model(x) - y))


def batches(worker, workers):
    """Five batches of unequal size for each worker, always the same."""
    random = np.random.default_rng([worker, workers])
    rows = [8, 8, 3, 8, 5]
    x = [random.standard_normal((n, 12, 1)).astype(np.float32) for n in rows]
    return [(a, np.concatenate([a.mean(1), a[:, 3] - a[:, 7]], axis=1)) for a in x]


def plain_loop(given, epochs, learning_rate=0.05):
    """What a script does without any of this."""
    keras.utils.set_random_seed(5)
    model = build()
    optimizer = keras.optimizers.Adagrad(learning_rate, initial_accumulator_value=0.1, epsilon=0.0)
    losses = []
    for _ in range(epochs):
        for batch in given:
            with tf.GradientTape() as tape:
                value = loss(model, batch)
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(value, [v.value for v in variables]), variables)
            losses.append(float(value))
    return model, losses


def merge(*parts):
    return [
        tuple(np.concatenate(arrays) for arrays in zip(*same, strict=True))
        for same in zip(*parts, strict=True)
    ]


def test_one_process_equals_a_plain_loop():
    expected, losses = plain_loop(batches(0, 1), 3)
    trained = distribute(build, loss, batches, mode="single", seed=5, epochs=3, learning_rate=0.05)
    np.testing.assert_allclose(get_flat(trained.model), get_flat(expected), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trained.history["loss"], losses, rtol=1e-5)
    assert trained.history["epoch"].tolist() == [0] * 5 + [1] * 5 + [2] * 5


@pytest.mark.horovod
def test_one_worker_equals_a_plain_loop_and_more_learn_too(tmp_path):
    expected, losses = plain_loop(batches(0, 1), 3)
    trained = distribute(
        build, loss, batches, workers=1, seed=5, epochs=3, learning_rate=0.05, threads=1, folder=tmp_path
    )
    np.testing.assert_allclose(get_flat(trained.model), get_flat(expected), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trained.history["loss"], losses, rtol=1e-4)
    assert not (tmp_path / "checkpoints").exists()

    more = distribute(
        build, loss, batches, workers=2, epochs=20, learning_rate=0.1,
        validate=lambda model: float(loss(model, batches(7, 8)[0])),
    )  # fmt: skip
    judged = more.history[more.history["split"] == "validation"]["loss"]
    assert judged.iloc[-1] < 0.5 * judged.iloc[0]
    assert (more.history["split"] == "train").sum() == 2 * 20 * 5


@pytest.mark.horovod
def test_workers_in_step_equal_a_plain_loop_over_all_their_batches():
    expected, losses = plain_loop(merge(batches(0, 2), batches(1, 2)), 3)
    trained = distribute(build, loss, batches, mode="sync", workers=2, seed=5, epochs=3, learning_rate=0.05)
    np.testing.assert_allclose(get_flat(trained.model), get_flat(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trained.history["loss"], losses, rtol=1e-4)


def noisy(model, batch):
    return loss(model, (batch[0] + tf.random.normal(tf.shape(batch[0])), batch[1]))


def with_dropout():
    layers = [
        keras.Input((12, 1)),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5, seed=1),
        keras.layers.Dense(2),
    ]
    return keras.Sequential(layers)


@pytest.mark.parametrize(
    ("build", "loss"),
    [(build, noisy), (with_dropout, lambda model, batch: tf.reduce_mean(model(batch[0], training=True)))],
)
def test_workers_begin_alike_and_then_draw_random_numbers_of_their_own(build, loss):
    """Nor does one that goes on draw those again that it drew at first; what is the same comes again."""
    job = SimpleNamespace(seed=3, settings=SimpleNamespace(epochs=2))
    gradients, weights = [], []
    for worker, done in [(0, 0), (1, 0), (1, 5), (1, 5)]:  # five batches are an epoch
        workload = Custom(build, loss, lambda worker, workers: batches(0, 1))(job)
        weights.append(workload.weights())
        batch = workload.stream(Position.start(2, 1).moved(worker, done), worker).first()
        gradients.append(workload.gradient(batch)[0])
    assert all(np.array_equal(own, weights[0]) for own in weights)
    first, other, later, again = gradients
    assert not np.allclose(first, other) and not np.allclose(other, later)
    np.testing.assert_array_equal(later, again)


def test_a_generator_needs_its_number_of_steps():
    def endless(worker, workers):
        while True:
            yield batches(0, 1)[0]

    with pytest.raises(ConfigError, match="steps_per_epoch"):
        distribute(build, loss, endless, mode="single")
    trained = distribute(build, loss, endless, mode="single", steps_per_epoch=3, epochs=2)
    assert len(trained.history) == 6


def of(content):
    return lambda worker, workers: [content] * 2


def compiled(**options):
    return lambda: keras.Sequential([keras.layers.Input((12, 1)), keras.layers.Dense(2, **options)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"build": lambda: keras.Sequential([keras.layers.Dense(2)])}, "without trainable variables"),
        ({"build": compiled(trainable=False)}, "without trainable variables"),
        ({"build": compiled(dtype="float64")}, "float64"),
        ({"loss": lambda model, batch: tf.square(model(batch[0]))}, "loss: gives a tensor of shape"),
        ({"batches": lambda worker, workers: []}, "no batch to any worker"),
        ({"batches": of(np.ones((0, 12, 1), np.float32))}, "without rows"),
        ({"batches": of([1.0, 2.0])}, "without rows"),
        ({"batches": of(())}, "without rows"),
        ({"batches": of(None)}, "without rows"),
        ({"batches": lambda *own: iter(batches(*own)), "steps_per_epoch": 6}, "fewer than 6 batches"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: is 0"),
        ({"steps_per_epoch": 2.5}, "steps_per_epoch: is 2.5"),
    ],
)
def test_functions_that_give_what_cannot_be_trained_are_refused(given, message):
    functions = {"build": build, "loss": loss, "batches": batches, **given}
    with pytest.raises(DCAError, match=message):
        distribute(**functions, mode="single", epochs=2)


@pytest.mark.horovod
def test_workers_in_step_may_have_fewer_batches_than_others():
    def ragged(worker, workers):
        return batches(worker, workers)[: 5 if worker == 0 else 2]

    trained = distribute(build, loss, ragged, mode="sync", workers=2, epochs=2)
    assert trained.history["samples"].tolist()[4] == 32 + 16
    assert len(trained.history) == 10


@pytest.mark.parametrize("setting", [{"batch_size": 3}, {"wrokers": 2}])
def test_settings_that_are_not_ones_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        distribute(build, loss, batches, **setting)


@pytest.mark.horovod
def test_the_scripts_of_the_documentation_run(tmp_path):
    """Before and after: both learn, and they differ by a few lines."""
    found = re.findall(r"```python\n(# (?:before|after)\.py\n.*?)```", DOCS.read_text(), re.DOTALL)
    before, after = (text.splitlines() for text in found)
    assert len(set(after) - set(before)) <= 8
    for text in found:
        script = tmp_path / text.splitlines()[0].removeprefix("# ")
        script.write_text(text)
        done = subprocess.run(
            [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        first, last = map(float, re.findall(r"loss ([\d.]+) -> ([\d.]+)", done.stdout)[0])
        assert last < 0.5 * first


@pytest.mark.horovod
@pytest.mark.parametrize("mode", ["downpour", "sync"])
def test_an_exception_of_a_users_function_is_quoted(mode):
    def broken(model):
        raise KeyError("no such measure")

    with pytest.raises(DCAError, match="no such measure"):
        distribute(build, loss, batches, validate=broken, mode=mode, workers=2, epochs=1)
