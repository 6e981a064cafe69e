"""Stand-in for convertwarp: premat, warp1, midmat, warp2, postmat, in this order, as one field."""

import nibabel as nib
import numpy as np
from common import Parser, displaced, grid, load, move, run_as_program, save


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("ref", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("premat", "warp1", "midmat", "warp2", "postmat"):
        parser.add_argument(f"--{name}")
    for name in ("rel", "abs"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--relout", action="store_true", required=True)
    given = parser.parse_args(arguments)
    target = load(given.ref)
    start = grid(target)
    points = start
    # From the output back to the input: the last transform comes first.
    for name in ("postmat", "warp2", "midmat", "warp1", "premat"):
        if path := getattr(given, name):
            matrix = name.endswith("mat")
            points = move(np.linalg.inv(np.loadtxt(path)), points) if matrix else pulled(path, points, given)
    save(points - start, target, given.out)


def pulled(path: str, points: np.ndarray, given) -> np.ndarray:
    warp = load(path)
    if given.abs:
        warp = nib.Nifti1Image(np.asarray(warp.dataobj) - grid(warp), warp.affine)
    else:
        assert given.rel
    return displaced(warp, points)


if __name__ == "__main__":
    run_as_program(main)
