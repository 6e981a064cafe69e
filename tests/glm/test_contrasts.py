import numpy as np
import pandas as pd
import pytest

from dca.errors import ConfigError
from dca.glm.contrasts import contrast_vectors
from dca.glm.design import Design

DESIGN = Design(
    pd.DataFrame(np.eye(4), columns=["a", "b", "trans_x", "constant"]), ("a", "b"), ("trans_x",), ()
)


def test_events_come_first_then_contrasts():
    vectors = contrast_vectors(DESIGN, {"a-b": {"a": 1, "b": -0.5}})
    assert {name: list(vector) for name, vector in vectors.items()} == {
        "a": [1, 0, 0, 0],
        "b": [0, 1, 0, 0],
        "a-b": [1, -0.5, 0, 0],
    }


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        ({"x": {"foot": 1}}, "unknown event `foot`; known in this run: a, b"),
        ({"x": {"trans_x": 1}}, "unknown event `trans_x`"),
        ({"a": {"b": 1}}, "name of an event"),
        ({"a/b": {"b": 1}}, "cannot be part of a file name"),
        ({"x": {"a": 0}}, "no finite weight"),
        ({"x": {"a": float("nan")}}, "no finite weight"),
        ({"x": {}}, "no finite weight"),
    ],
)
def test_wrong_contrasts(contrasts, message):
    with pytest.raises(ConfigError, match=message):
        contrast_vectors(DESIGN, contrasts)
