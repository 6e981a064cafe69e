"""Stand-in for susan: a Gaussian kernel that takes no heed of edges."""

import numpy as np
from common import load, run_as_program, save
from scipy.ndimage import gaussian_filter


def main(arguments: list[str]) -> None:
    source, _threshold, sigma, dimension, median, usans, guide, _guide_threshold, out = arguments
    assert (dimension, median, usans) == ("3", "1", "1")
    image = load(source)
    mean = np.asarray(image.dataobj, dtype=float).mean(axis=3)
    # As FEAT calls it: the regions are those of the run itself, on whose scale the threshold is.
    np.testing.assert_allclose(np.asarray(load(guide).dataobj), mean, rtol=1e-3, atol=1e-3 * mean.max())
    width = float(sigma) / np.array(image.header.get_zooms()[:3])
    smooth = gaussian_filter(np.asarray(image.dataobj, dtype=float), (*width, 0))
    save(smooth, image, out, image.get_data_dtype())


if __name__ == "__main__":
    run_as_program(main)
