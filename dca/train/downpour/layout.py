"""How the parameters are shared out among the servers, and in what numbers gradients travel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np

COMPRESSIONS: dict[str, Any] = {"none": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
"""Number formats of a gradient on the wire, by the name of the setting."""


def shares(length: int, servers: int) -> list[slice]:
    """Cut a vector of P parameters into contiguous shares, equal to within one element.

    A large tensor, such as the two matrices that are nine tenths of the autoencoder, is divided.
    """
    cuts = [length * server // servers for server in range(servers + 1)]
    return [slice(start, stop) for start, stop in pairwise(cuts)]
