"""Stand-in for fast: the bias field is what is smooth in the logarithm of the brain, and 1 outside."""

import numpy as np
from common import Parser, load, run_as_program, save
from scipy.ndimage import gaussian_filter

WIDTH_MM = 40


def main(arguments: list[str]) -> None:
    parser = Parser()
    parser.add_argument("-S", type=int, choices=[1], default=1)
    parser.add_argument("-t", type=int, choices=[1, 2, 3], required=True)
    parser.add_argument("-n", type=int, required=True)
    parser.add_argument("-b", action="store_true", required=True)
    parser.add_argument("--nopve", action="store_true", required=True)
    parser.add_argument("-o", required=True)
    parser.add_argument("input")
    given = parser.parse_args(arguments)
    image = load(given.input)
    data = np.asarray(image.dataobj, dtype=float)
    inside = data > 0
    logarithm = np.log(data, out=np.zeros_like(data), where=inside)
    sigma = WIDTH_MM / np.array(image.header.get_zooms()[:3])
    weight = np.maximum(gaussian_filter(inside.astype(float), sigma), 1e-6)
    field = gaussian_filter(logarithm, sigma) / weight
    field -= field[inside].mean()
    save(np.where(inside, np.exp(field), 1), image, f"{given.o}_bias.nii.gz")


if __name__ == "__main__":
    run_as_program(main)
