"""Stand-in for fslmerge, in time. The repetition time becomes 1, as of volumes that do not carry one."""

import numpy as np
from common import load, run_as_program, save


def main(arguments: list[str]) -> None:
    dimension, out, *volumes = arguments
    assert dimension == "-t"
    images = [load(name) for name in volumes]
    save(
        np.stack([np.asarray(image.dataobj) for image in images], axis=-1),
        images[0],
        out,
        images[0].get_data_dtype(),
    )


if __name__ == "__main__":
    run_as_program(main)
