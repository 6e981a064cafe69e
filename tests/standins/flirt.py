"""Stand-in for flirt: brings the centres of mass together, and sizes with 12 degrees of freedom."""

import nibabel as nib
import numpy as np
from common import Parser, grid, load, move, run_as_program, sample, save


def centre_and_size(image: nib.Nifti1Image) -> tuple[np.ndarray, np.ndarray]:
    weight = np.asarray(image.dataobj, dtype=float)
    inside = weight > 0.1 * weight.max()
    points = grid(image)[inside]
    return points.mean(axis=0), points.std(axis=0)


def align(source: nib.Nifti1Image, target: nib.Nifti1Image, scale: bool) -> np.ndarray:
    (centre, size), (wanted, wanted_size) = centre_and_size(source), centre_and_size(target)
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(wanted_size / size) if scale else np.eye(3)
    matrix[:3, 3] = wanted - matrix[:3, :3] @ centre
    return matrix


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("in", "ref", "out", "omat"):
        parser.add_argument(f"-{name}", required=True)
    parser.add_argument("-dof", type=int, choices=[6, 12], required=True)
    given = parser.parse_args(arguments)
    source, target = load(vars(given)["in"]), load(given.ref)
    matrix = align(source, target, given.dof == 12)
    np.savetxt(given.omat, matrix, fmt="%.10f")
    points = move(np.linalg.inv(matrix), grid(target))
    save(sample(np.asarray(source.dataobj, dtype=float), source, points, 1, "constant"), target, given.out)


if __name__ == "__main__":
    run_as_program(main)
