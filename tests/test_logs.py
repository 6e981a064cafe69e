"""What is told, and what is not."""

import io
import logging

import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from dca.logs import start_logging


@pytest.fixture
def told():
    root = logging.getLogger()
    kept = root.level, root.handlers[:]
    stream = io.StringIO()
    start_logging(stream=stream, format="%(name)s: %(message)s")
    yield stream
    root.setLevel(kept[0])
    root.handlers[:] = kept[1]


def test_a_figure_as_pdf_tells_nothing_and_the_package_does(told, tmp_path):
    figure = Figure()
    figure.text(0.5, 0.5, "motion")
    with rc_context({"pdf.fonttype": 42}):  # letters stay letters
        figure.savefig(tmp_path / "figure.pdf")
    assert told.getvalue() == ""
    logging.getLogger("dca.signals").info("3 voxels are constant")
    assert told.getvalue() == "dca.signals: 3 voxels are constant\n"
