"""The demo's report: its structure, and how it looks in a browser."""

import os
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.horovod,
    pytest.mark.browser,
    pytest.mark.xdist_group("study"),
    pytest.mark.timeout(1800),
]

OUTLINE = Path(__file__).with_name("report.txt")


def test_headings_captions_and_tables_are_those_agreed_on(study, visit, browsing):
    """After a wanted change: `DCA_RENEW=1 pytest tests/workflow/test_report.py`, and read the diff."""
    found = browsing.outline(visit, study.results / "report")
    if os.environ.get("DCA_RENEW"):
        OUTLINE.write_text(found, encoding="utf-8")
    assert found.splitlines() == OUTLINE.read_text(encoding="utf-8").splitlines()


def test_the_demos_report_is_in_order(study, visit, browsing):
    browsing.look_over(visit, study.results / "report")
