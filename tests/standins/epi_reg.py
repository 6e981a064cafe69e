"""Stand-in for epi_reg: the stand-in for flirt."""

import numpy as np
from common import Parser, load, run_as_program
from flirt import align


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("epi", "t1", "t1brain", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--noclean", action="store_true")
    given = parser.parse_args(arguments)
    np.savetxt(given.out + ".mat", align(load(given.epi), load(given.t1brain), False), fmt="%.10f")


if __name__ == "__main__":
    run_as_program(main)
