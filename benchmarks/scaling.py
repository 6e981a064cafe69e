"""Speed of the exchange, of the modes and of the training step, as ratios within one run.

``python benchmarks/scaling.py PART ...`` measures parts, each into a table of its own under
benchmarks/results/; ``tables`` writes them into docs/scaling.md, which says what they mean.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAIR_WORLDS = HERE.parent.parent / "shared" / "facts" / "horovod-examples" / "pair_worlds.py"
PAGE = HERE.parent / "docs" / "scaling.md"
PARTS = ("exchange", "scaling", "real", "equal-loss", "step", "model", "tables")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "parts", nargs="+", choices=[*PARTS, "all"], metavar="PART", help=", ".join(PARTS) + ", all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="see whether it runs; tables go to a temporary folder"
    )
    parser.add_argument("--torch-python", type=Path, metavar="PATH", help="a Python that has PyTorch")
    parser.add_argument("--pair-worlds", type=Path, metavar="PATH", help="a pair_worlds.py to compare with")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="where the tables are (benchmarks/results)"
    )
    arguments = parser.parse_args()

    # For this process and those below it: they unpickle what is defined in benchmarks/scaling/.
    paths = [str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ.update(PYTHONPATH=os.pathsep.join(paths), TQDM_DISABLE="1")
    sys.path[:0] = paths[:2]
    from scaling import cost, equal_loss, exchange, pace, real, rows, step, tables

    quick_folder = Path(tempfile.gettempdir()) / "dca-scaling-quick"
    folder = arguments.results or (quick_folder if arguments.quick else HERE / "results")
    pair_worlds = arguments.pair_worlds or (PAIR_WORLDS if PAIR_WORLDS.exists() else None)
    results = rows.Results(folder, arguments.quick, arguments.torch_python, pair_worlds)
    measures = {
        "exchange": exchange.measure, "scaling": pace.measure, "real": real.measure,
        "equal-loss": equal_loss.measure, "step": step.measure, "model": cost.measure,
        "tables": lambda results: tables.fill(results, PAGE, folder / PAGE.name if arguments.quick else PAGE),
    }  # fmt: skip
    failed = []
    for part in PARTS if "all" in arguments.parts else arguments.parts:
        begin = time.monotonic()
        try:
            measures[part](results)
        except Exception:  # The other parts are worth having.
            traceback.print_exc()
            failed.append(part)
        print(f"{part}: {time.monotonic() - begin:.0f} s", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
