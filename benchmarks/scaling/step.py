"""Part 5: the compute step against the machine's matrix product and against PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from .rows import Results, in_turns, ratio

BATCH, LENGTH, SIDE = 512, 284, 2000
STEP, PRODUCT, TORCH = "dca step", "matrix product, TensorFlow", "PyTorch step"
TORCH_PRODUCT = "matrix product, PyTorch"
COLUMNS = {
    "what": "What is computed: a training step, or a float32 product of two 2000 × 2000 matrices",
    "threads": "Threads, on as many cores",
    "batch": "Series per step",
    "of_product": "Median over turns of the rate over that of TensorFlow's matrix product in the same turn",
    "of_torch": "Median over turns of the rate over that of PyTorch's step in the same turn",
}


def flop_per_sample() -> float:
    """Multiplications and additions of one series, forward and twice that backward."""
    from dca.model import Architecture

    a = Architecture.from_config({}, LENGTH)
    below = (1, *a.features[:-1])
    layers = zip(a.lengths, below, a.features, a.filters, strict=True)
    half = sum(2 * n * width * inner * outer for n, inner, outer, width in layers)
    half += 2 * a.lengths[-1] * a.features[-1] * a.hidden
    return 3.0 * 2 * half


class Calculator:
    """A process that computes something each time it is asked, and says how many seconds that took."""

    def __init__(self, command: list[str], threads: int) -> None:
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip

    def __call__(self, what: str) -> float:
        """Compute ``step`` or ``product`` once; seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def measure(results: Results) -> None:
    """GFLOP/s of everything in turns."""
    repeats, batch = (2, 64) if results.quick else (5, BATCH)
    work = {"step": batch * flop_per_sample() / 1e9, "product": 2 * SIDE**3 / 1e9}
    rows = []
    for threads in (1, 2):
        arguments = [str(threads), str(batch)]
        ours = Calculator([sys.executable, "-m", __name__, *arguments], threads)
        calculators = {STEP: (ours, "step"), PRODUCT: (ours, "product")}
        if results.torch is not None:
            script = str(Path(__file__).with_name("torch_step.py"))
            theirs = Calculator([str(results.torch), script, *arguments], threads)
            calculators |= {TORCH: (theirs, "step"), TORCH_PRODUCT: (theirs, "product")}
        try:
            for calculator, what in calculators.values():
                calculator(what)  # the first one is slower
            speeds: dict[str, Callable[[], float]] = {
                name: partial(lambda own, what: work[what] / own(what), own, what)
                for name, (own, what) in calculators.items()
            }
            found = in_turns(speeds, repeats)
        finally:
            for calculator, _ in calculators.values():
                calculator.close()
        found = {name: found.get(name, []) for name in (STEP, PRODUCT, TORCH, TORCH_PRODUCT)}
        for name, values in found.items():
            what = {"what": name, "threads": threads, "batch": batch}
            ratios = {"of_product": ratio(values, found[PRODUCT]), "of_torch": ratio(values, found[TORCH])}
            rows.append(results.row(values, **what, **ratios))
    results.write("step", rows, COLUMNS)


# In a process of its own ------------------------------------------------------------------------------


def _play(threads: str, batch: str) -> None:
    from dca.model import Architecture
    from dca.model.autoencoder import build
    from dca.model.backend import set_threads, tf
    from dca.train.allocator import keep_memory
    from dca.train.step import GradientStep

    keep_memory()
    set_threads(int(threads))
    architecture = Architecture.from_config({}, LENGTH)
    step = GradientStep(build(architecture), architecture.penalty)
    rows = np.random.default_rng(0).standard_normal((int(batch), LENGTH), np.float32)
    matrix = tf.random.normal((SIDE, SIDE))
    things = {"step": lambda: step(rows), "product": lambda: (matrix @ matrix).numpy()}
    for line in sys.stdin:
        begin = time.perf_counter()
        things[line.strip()]()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    _play(*sys.argv[1:])
