"""Stand-in for gradunwarp's command: a stretch along the third axis, its strength the file's one number."""

from pathlib import Path

import numpy as np
from common import Parser, grid, load, run_as_program, save


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("infile", "outfile"):
        parser.add_argument(name)
    parser.add_argument("vendor", choices=["siemens", "ge"])
    parser.add_argument("-g", required=True)
    parser.add_argument("-n", action="store_true", required=True)
    given = parser.parse_args(arguments)
    assert given.vendor == "siemens" and given.g.endswith(
        ".grad"
    )  # gradunwarp 1.2.3 finds no coefficients in others
    image = load(given.infile)
    points = grid(image)
    middle = points[..., 2].mean()
    absolute = points.copy()
    absolute[..., 2] = middle + (points[..., 2] - middle) * float(Path(given.g).read_text())
    save(absolute, image, "fullWarp_abs.nii.gz")
    save(np.asarray(image.dataobj), image, given.outfile)


if __name__ == "__main__":
    run_as_program(main)
