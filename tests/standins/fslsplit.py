"""Stand-in for fslsplit, in time."""

import numpy as np
from common import load, run_as_program, save


def main(arguments: list[str]) -> None:
    source, base, dimension = arguments
    assert dimension == "-t"
    image = load(source)
    for t, volume in enumerate(np.moveaxis(np.asarray(image.dataobj), -1, 0)):
        save(volume, image, f"{base}{t:04d}.nii.gz", image.get_data_dtype())


if __name__ == "__main__":
    run_as_program(main)
