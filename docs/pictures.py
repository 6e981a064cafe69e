"""Pictures of a report for docs/report.md: `python docs/pictures.py results/report`, of a finished demo.

Needs Chromium, and what `make dev` installs.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).with_name("pictures")
WIDTH, QUALITY = 1000, 72  # of a window in pixels, and of WebP: a picture of about 50 kB
NOISY = {"carpet": 20}  # quality of pictures that would be far larger
# Picture: page, and what is shown of it, from the top of the first element to the end of the last.
PICTURES = {
    "summary": ("index.html", ["#summary"]),
    "runs": ("index.html", ["#runs"]),
    "motion": ("index.html", ["#motion figure"]),
    "losses": ("index.html", ["#training figure"]),
    "comparison": ("index.html", ["#comparison figure"]),
    "costs": ("index.html", ["#costs"]),
    "timeline": ("training.html", ["#workers figure"]),
    "staleness": ("training.html", ["#workers figure >> nth=1"]),
    "filters": ("training.html", ["#filters figure"]),
    "scaling": ("training.html", ["#scaling figure", "#scaling .scroll[aria-label='What the paper says']"]),
    "carpet": ("{subject}", ["figure:has(img[src*='_carpet'])"]),
    "preprocessing": ("{subject}", ["figure:has(img[src*='_mask'])"]),
    "tsnr": ("{subject}", ["figure:has(img[src*='_tsnr'])"]),
    "features": ("{subject}", ["figure:has(img[src*='_reconstructions'])"]),
    "components": ("{subject}", [".browser .controls", ".browser .component"]),
    "event": ("{subject}", [".event >> nth=1"]),
    "nulls": ("{subject}", [".scroll[aria-label^='PCC with nulls']"]),
    "viewer": ("{viewer}", ["body"]),
}


def main(report: Path) -> None:
    """Take all pictures of a report."""
    subject = next(path for path in sorted(report.glob("*.html")) if path.stem not in ("index", "training"))
    viewer = min(report.glob("*_files/*_glm_viewer.html")).relative_to(report)
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (address, parts) in PICTURES.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": 900})
            page.goto((report / address.format(subject=subject.name, viewer=viewer)).resolve().as_uri())
            picture = Image.open(io.BytesIO(take(page, parts))).convert("RGB")
            picture.save(OUT / f"{name}.webp", quality=NOISY.get(name, QUALITY), method=6)
            page.close()
        browser.close()


def take(page: Page, parts: list[str]) -> bytes:
    """Take one picture, as PNG, when its images have come."""
    for root in page.locator(".browser").all():
        root.scroll_into_view_if_needed()
        root.locator(".thumbs button").first.wait_for(state="attached")
        root.get_by_label("Sort by").select_option("corrected")
    page.evaluate(
        "async () => { for (const i of document.images) { i.loading = 'eager'; await i.decode(); } }"
    )
    page.wait_for_load_state("networkidle")
    boxes = [page.locator(part).first.bounding_box() for part in parts]
    top, left = boxes[0]["y"] + page.evaluate("scrollY"), boxes[0]["x"]
    bottom = boxes[-1]["y"] + boxes[-1]["height"] + page.evaluate("scrollY")
    clip = {"x": left - 8, "y": top - 8, "width": boxes[-1]["width"] + 16, "height": bottom - top + 16}
    return page.screenshot(clip=clip, full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
