"""Stand-in for convert_xfm -concat: the matrix named first is applied last."""

import numpy as np
from common import Parser, run_as_program


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("omat", "concat"):
        parser.add_argument(f"-{name}", required=True)
    parser.add_argument("first")
    given = parser.parse_args(arguments)
    np.savetxt(given.omat, np.loadtxt(given.concat) @ np.loadtxt(given.first), fmt="%.10f")


if __name__ == "__main__":
    run_as_program(main)
