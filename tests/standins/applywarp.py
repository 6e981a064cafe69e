"""Stand-in for applywarp of a relative warp."""

import numpy as np
from common import Parser, displaced, grid, load, run_as_program, sample, save

ORDER = {"nn": 0, "trilinear": 1, "spline": 3}


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("in", "ref", "out", "warp"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rel", action="store_true", required=True)
    parser.add_argument("--interp", choices=ORDER, required=True)
    given = parser.parse_args(arguments)
    image, target = load(vars(given)["in"]), load(given.ref)
    points = displaced(load(given.warp), grid(target))
    data = np.asarray(image.dataobj, dtype=float)
    volumes = data[..., None] if data.ndim == 3 else data
    order = ORDER[given.interp]
    moved = [sample(volume, image, points, order, "constant") for volume in np.moveaxis(volumes, -1, 0)]
    if data.ndim == 3:
        save(moved[0], target, given.out, image.get_data_dtype())
    else:  # on the input's own grid, whose repetition time is kept
        save(np.stack(moved, axis=-1), image, given.out, image.get_data_dtype())


if __name__ == "__main__":
    run_as_program(main)
