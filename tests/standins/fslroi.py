"""Stand-in for fslroi, in time."""

import numpy as np
from common import load, run_as_program, save


def main(arguments: list[str]) -> None:
    source, out, first, size = arguments
    assert size == "1"
    image = load(source)
    save(np.asarray(image.dataobj[..., int(first)]), image, out, image.get_data_dtype())


if __name__ == "__main__":
    run_as_program(main)
