"""Which decompositions find the task? Simulated studies with known truth, signals against features.

python benchmarks/validation.py run [--seeds 101 ...]   adds the rows that are missing; resumable
python benchmarks/validation.py run --variants          λ, K and the choices of decoding
python benchmarks/validation.py run --map               one switch of the simulation at a time, few setups
python benchmarks/validation.py run --scenarios real    a real run, in the folder that DCA_REAL_DATA names
python benchmarks/validation.py summary                 the tables of docs/validation.md

Rows are those of benchmarks/results/validation.tsv, one per scenario, task strength, seed and setup. Seeds
1 to 3 are for choosing settings (give another --out), those from 101 on for the table: all five for the main
one, the first two for variants and map, at task x 1.2. --seeds, --scenarios, --activations and --setups say
otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "validation.md"
TEST_SEEDS = (101, 102, 103, 104, 105)
MAP_SEEDS = TEST_SEEDS[:2]  # also of the variants
ACTIVATIONS = (1.2, 2.0)


def main() -> None:
    """Add rows, or write the summary."""
    os.environ.update(TQDM_DISABLE="1")
    sys.path.insert(0, str(HERE))
    from validation import real, rows, setups, study, tables

    from dca.errors import DCAError

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("run", "summary"))
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--scenarios", nargs="+", choices=[*study.SCENARIOS, real.SCENARIO])
    parser.add_argument("--activations", type=float, nargs="+")
    known, said = {**setups.SETUPS, **setups.VARIANTS}, "default: those of the main table"
    parser.add_argument("--setups", nargs="+", choices=known, metavar="SETUP", help=said)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--variants", action="store_true", help="those of the table of variants")
    which.add_argument("--map", action="store_true", help="scenarios, seeds and setups of the map")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row after so long")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "dca-validation")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "validation.tsv")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a study that is complete")
    arguments = parser.parse_args()
    try:
        if arguments.what == "summary":
            tables.fill(arguments.out, PAGE)
            return
        seeds, scenarios, strengths, names = TEST_SEEDS, tables.MAIN, ACTIVATIONS, setups.SETUPS
        if arguments.map:
            seeds, scenarios, strengths, names = MAP_SEEDS, study.SCENARIOS, ACTIVATIONS[:1], setups.MAPPED
        elif arguments.variants:
            seeds, scenarios, strengths, names = MAP_SEEDS, tables.MAIN[1:], ACTIVATIONS[:1], setups.VARIANTS
        rows.add_missing(
            [
                study.Key(scenario, activation, seed)
                for seed in arguments.seeds or seeds
                for scenario in arguments.scenarios or scenarios
                # The task of a real run is as strong as it is.
                for activation in ([1.0] if scenario == real.SCENARIO else arguments.activations or strengths)
            ],
            arguments.setups or list(names),
            arguments.out,
            study.Size(threads=arguments.threads),
            arguments.work,
            until=time.monotonic() + 60 * arguments.minutes,
            keep=arguments.keep,
        )
    except DCAError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
