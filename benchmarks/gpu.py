"""The training step on a GPU, through a Keras backend that needs no TensorFlow: results/gpu.tsv.

python benchmarks/gpu.py reference FILE            where DCA is installed: loss and gradient of its own step
python benchmarks/gpu.py measure FILE BACKEND ...  where the GPU is: Keras, PyTorch and, for jax, JAX

The model is DCA's own, `dca.model.autoencoder`; the step is written here for JAX and PyTorch, and held
against the reference first. With `measure`, BACKEND is jax or torch; rows of one are replaced by new ones.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
LENGTH, SIDE, REPEATS, REFERENCE_ROWS = 284, 8192, 20, 64
BATCHES = (512, 1600, 4096)
PRECISIONS = ("float32", "tf32")
COLUMNS = {
    "backend": "Of Keras",
    "precision": "Of convolutions and products: float32, or tf32, TensorFlow's default on such a card",
    "batch": "Series per step",
    "step_ms": "Loss and gradient of rows on the card, median of 20",
    "from_host_ms": "The same with rows from, and the gradient to, the host's memory",
    "encode_ms": "The code of such a batch, on the card",
    "series_per_s": "batch over from_host_ms",
    "tflops": "255 MFLOP a series over step_ms",
    "product_tflops": "A product of two 8192 × 8192 matrices, same precision",
    "loss_error": "Of 64 series, relative to DCA's own step on a CPU",
    "gradient_error": "‖g − g₀‖ / ‖g₀‖, likewise",
    "card": "The GPU",
    "versions": "Of what computes",
}


def rows_of(count: int) -> np.ndarray:
    """z-scored smooth noise, (count, T) float32, the same everywhere."""
    noise = np.random.default_rng(0).standard_normal((count, LENGTH + 4))
    smooth = np.lib.stride_tricks.sliding_window_view(noise, 5, axis=1).mean(-1)
    return ((smooth - smooth.mean(1, keepdims=True)) / smooth.std(1, keepdims=True)).astype(np.float32)


def weigh(model: Any) -> None:
    """Give the model Glorot's weights from NumPy, the same everywhere."""
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        shape = tuple(variable.shape)
        if len(shape) == 1:
            values = random.uniform(-0.1, 0.1, shape)
        else:
            field = int(np.prod(shape[:-2]))
            values = random.uniform(-1, 1, shape) * np.sqrt(6 / (field * (shape[-2] + shape[-1])))
        variable.assign(values.astype(np.float32))


def weighed() -> tuple[Any, float]:
    """DCA's model of the paper with these weights, and λ."""
    from dca.model import Architecture
    from dca.model.autoencoder import build

    architecture = Architecture.from_config({}, LENGTH)
    model = build(architecture)
    weigh(model)
    return model, architecture.penalty


def reference(path: Path) -> None:
    """Save what DCA's step finds on this machine."""
    from dca.train.step import GradientStep

    gradient, losses = GradientStep(*weighed())(rows_of(REFERENCE_ROWS))
    np.savez(path, gradient=gradient, loss=losses.total)


def without_tensorflow(backend: str) -> None:
    """Have DCA's model run under another backend of Keras."""
    os.environ["KERAS_BACKEND"] = backend
    sys.path.insert(0, str(HERE.parent))
    stand_in = types.ModuleType("dca.model.backend")
    stand_in.keras = importlib.import_module("keras")  # type: ignore[attr-defined]
    sys.modules[stand_in.__name__] = stand_in


def loss_of(model: Any, penalty: float, rows: Any) -> Any:
    """Eq. 5, mean over the batch."""
    import keras

    output, z, z_decoded = model.forward(rows)
    square = keras.ops.square
    errors = keras.ops.sum(square(rows - output)) + penalty * keras.ops.sum(square(z - z_decoded))
    return 0.5 * errors / rows.shape[0]


class Jax:
    """The step under JAX, compiled."""

    def __init__(self, model: Any, penalty: float, precision: str) -> None:
        import jax
        import keras

        self.name = f"jax {jax.__version__}"
        jax.config.update("jax_default_matmul_precision", {"tf32": "tensorfloat32"}.get(precision, precision))
        self._jax, variables = jax, model.trainable_variables
        self._values = [variable.value for variable in variables]

        def within(values: Any, compute: Callable[[], Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return compute()

        def step(values: Any, rows: Any) -> tuple[Any, Any]:
            loss, found = jax.value_and_grad(lambda own: within(own, lambda: loss_of(model, penalty, rows)))(
                values
            )
            return loss, jax.numpy.concatenate([part.ravel() for part in found])

        self._step = jax.jit(step)
        self._encode = jax.jit(lambda values, rows: within(values, lambda: model.encode(rows)))
        self._product = jax.jit(lambda matrix: matrix @ matrix)

    def put(self, rows: np.ndarray) -> Any:
        """To the card."""
        return self._jax.device_put(rows).block_until_ready()

    def get(self, values: Any) -> np.ndarray:
        """To the host."""
        return np.asarray(values)

    def step(self, rows: Any) -> tuple[Any, Any]:
        """Loss and flat gradient, both on the card."""
        return self._jax.block_until_ready(self._step(self._values, rows))

    def encode(self, rows: Any) -> Any:
        """Codes, on the card."""
        return self._jax.block_until_ready(self._encode(self._values, rows))

    def product(self, matrix: Any) -> Any:
        """A matrix by itself."""
        return self._jax.block_until_ready(self._product(matrix))


class Torch:
    """The step under PyTorch, operation by operation."""

    def __init__(self, model: Any, penalty: float, precision: str) -> None:
        import torch

        self.name = f"torch {torch.__version__}"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        self._torch, self._model, self._penalty = torch, model, penalty
        self._device = "cuda" if torch.cuda.is_available() else "cpu"

    def _wait(self) -> None:
        if self._device == "cuda":
            self._torch.cuda.synchronize()

    def put(self, rows: np.ndarray) -> Any:
        """To the card."""
        return self._torch.from_numpy(rows).to(self._device)

    def get(self, values: Any) -> np.ndarray:
        """To the host."""
        return values.cpu().numpy()

    def step(self, rows: Any) -> tuple[Any, Any]:
        """Loss and flat gradient, both on the card."""
        values = [variable.value for variable in self._model.trainable_variables]
        loss = loss_of(self._model, self._penalty, rows)
        found = self._torch.autograd.grad(loss, values)
        flat = self._torch.cat([part.reshape(-1) for part in found])
        self._wait()
        return loss.detach(), flat

    def encode(self, rows: Any) -> Any:
        """Codes, on the card."""
        with self._torch.no_grad():
            codes = self._model.encode(rows)
        self._wait()
        return codes

    def product(self, matrix: Any) -> Any:
        """A matrix by itself."""
        found = matrix @ matrix
        self._wait()
        return found


def median_ms(compute: Callable[[], Any], repeats: int) -> float:
    """Of some calls; the first three, which compile and tune, are not counted."""
    times = []
    for turn in range(repeats + 3):
        begin = time.perf_counter()
        compute()
        if turn >= 3:
            times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def card() -> str:
    """Name of the GPU."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "none"


def times(computer: Jax | Torch, batch: int, repeats: int) -> dict[str, float]:
    """Milliseconds of what is done with one batch."""
    host = rows_of(batch)
    rows = computer.put(host)
    return {
        "step_ms": median_ms(lambda: computer.step(rows), repeats),
        "from_host_ms": median_ms(lambda: computer.get(computer.step(computer.put(host))[1]), repeats),
        "encode_ms": median_ms(lambda: computer.encode(rows), repeats),
    }


def product_tflops(computer: Jax | Torch, side: int, repeats: int) -> float:
    """Rate of a matrix product."""
    matrix = computer.put(np.random.default_rng(2).standard_normal((side, side), np.float32))
    return 2 * side**3 / median_ms(lambda: computer.product(matrix), repeats) / 1e9


def measure(path: Path, backend: str, quick: bool) -> list[dict[str, Any]]:
    """Rows of the table, for one backend."""
    without_tensorflow(backend)
    import keras
    from scaling.step import flop_per_sample

    model, penalty = weighed()
    kind = Jax if backend == "jax" else Torch
    known, rows = np.load(path), []
    side, repeats, batches = (256, 2, (8, 16)) if quick else (SIDE, REPEATS, BATCHES)
    for precision in PRECISIONS:
        computer = kind(model, penalty, precision)
        loss, gradient = map(computer.get, computer.step(computer.put(rows_of(REFERENCE_ROWS))))
        whole = {
            "product_tflops": product_tflops(computer, side, repeats),
            "loss_error": abs(float(loss) / float(known["loss"]) - 1),
            "gradient_error": float(
                np.linalg.norm(gradient - known["gradient"]) / np.linalg.norm(known["gradient"])
            ),
            "card": card(),
            "versions": f"keras {keras.__version__}, {computer.name}",
        }
        for batch in batches:
            found = times(computer, batch, repeats)
            rates = {
                "series_per_s": round(1000 * batch / found["from_host_ms"]),
                "tflops": batch * flop_per_sample() / found["step_ms"] / 1e9,
            }
            numbers = {
                name: float(f"{value:.4g}") if isinstance(value, float) else value
                for name, value in {**found, **rates, **whole}.items()
            }
            rows.append({"backend": backend, "precision": precision, "batch": batch, **numbers})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Save the reference, or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=["reference", "measure"])
    parser.add_argument("file", type=Path, help="the reference, .npz")
    parser.add_argument("backend", nargs="?", choices=["jax", "torch"], default="jax")
    parser.add_argument(
        "--quick", action="store_true", help="see whether it runs; the table goes to a temporary folder"
    )
    parser.add_argument("--results", type=Path, help="the table (benchmarks/results/gpu.tsv)")
    options = parser.parse_args()
    if options.part == "reference":
        reference(options.file)
        return
    quick = Path(tempfile.gettempdir()) / "dca-gpu-quick.tsv"
    out = options.results or (quick if options.quick else HERE / "results" / "gpu.tsv")
    table = pd.DataFrame(measure(options.file, options.backend, options.quick), columns=[*COLUMNS])
    from dca.files import read_tsv, write_tsv  # `measure` has made it importable where DCA is not installed

    if out.exists():
        kept = read_tsv(out)
        table = pd.concat([kept[kept["backend"] != options.backend], table])
    write_tsv(out, table, COLUMNS)


if __name__ == "__main__":
    main()
