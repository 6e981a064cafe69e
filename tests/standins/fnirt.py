"""Stand-in for fnirt: its warp is the affine that it starts from, as a field."""

import numpy as np
from common import Parser, grid, load, move, run_as_program, save


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("ref", "in", "aff", "config", "cout", "iout", "logout"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args(arguments)
    target, points = load(given.ref), grid(load(given.ref))
    assert given.config == "T1_2_MNI152_2mm"
    save(move(np.linalg.inv(np.loadtxt(given.aff)), points) - points, target, given.cout)


if __name__ == "__main__":
    run_as_program(main)
