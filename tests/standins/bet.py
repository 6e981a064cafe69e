"""Stand-in for bet: nilearn's mask of an EPI; where no brain is found, an empty one."""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from common import Parser, image_path, load, run_as_program, save

from dca.errors import ImageError
from dca.preprocess.mask import brain_mask


def main(arguments: list[str]) -> None:
    parser = Parser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("-f", type=float, default=0.5)
    for name in ("-m", "-R"):
        parser.add_argument(name, action="store_true")
    given = parser.parse_args(arguments)
    image, out = load(given.input), image_path(given.output)
    mask = Path(str(out).replace(".nii", "_mask.nii"))
    try:
        brain_mask(image_path(given.input), mask)
    except ImageError:
        save(np.zeros(image.shape), image, str(mask))
    inside = np.asarray(nib.load(mask).dataobj) > 0
    save(np.asarray(image.dataobj) * inside, image, given.output)
    if not given.m:
        mask.unlink()
    sys.stderr.write("a word of no weight\n")  # the real one's shell script may say something too


if __name__ == "__main__":
    run_as_program(main)
