"""The demo's report: its structure, and how it looks in a browser."""

import os
import shutil
from pathlib import Path

import pytest

from dca.config import ROOT

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


def test_the_demos_report_can_be_used_and_printed(study, visit, browsing):
    browsing.use(visit, study.results / "report")


@pytest.fixture(scope="module")
def unpacked(study, tmp_path_factory):
    """Snakemake's own report of the study, unpacked."""
    folder = tmp_path_factory.mktemp("zip")
    gone = study.results / "report" / "gone.html"
    gone.write_text("A subject that has left the study.")
    study.configure(report={"bundle": True})
    try:
        assert study.planned() == {"report_bundle"}
        study.snakemake()
        study.snakemake("--report", str(folder / "report.zip"))
    finally:  # other tests share the study
        study.configure()
        gone.unlink()
        shutil.rmtree(study.results / "report_bundle", ignore_errors=True)
    shutil.unpack_archive(folder / "report.zip", folder)
    return folder / "report"


def test_snakemakes_own_report_has_captions_and_categories(unpacked):
    text = (unpacked / "report.html").read_text(encoding="utf-8")
    for words in ("Comparison", "Study", "report_bundle", "pcc.tsv", "group.tsv"):
        assert words in text
    for caption in (ROOT / "workflow/report").glob("*.rst"):
        if caption.stem in ("index", "pcc", "group"):
            assert caption.read_text().split(",")[0] in text


def test_what_has_left_the_study_is_not_in_snakemakes_report(unpacked):
    assert list(unpacked.rglob("01.html")) and not list(unpacked.rglob("gone.html"))


def test_links_and_images_of_the_pages_in_snakemakes_report_work(unpacked, visit, browsing):
    (index,) = unpacked.rglob("index.html")
    page = visit(index)
    assert page.evaluate(browsing.UNSEEN) == []
    for name in ("01", "training"):
        page.locator(f"a[href='{name}.html']").first.click()
        page.wait_for_url(f"**/{name}.html")
        assert page.evaluate(browsing.UNSEEN) == []
        page.locator("a[href='index.html']").first.click()
        page.wait_for_url("**/index.html")
