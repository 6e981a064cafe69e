"""A report in a real browser without a network: opened, looked over, and its structure as text."""

import re
import shutil
from contextlib import contextmanager

import numpy as np
from PIL import Image

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
HINT = "willReadFrequently"  # Chromium on the speed of the viewer's canvas
BLANK = 1  # standard deviation of an image's pixels

# Every image has loaded and has a size.
UNSEEN = """
async () => {
  const unseen = [];
  for (const image of document.images) {
    image.loading = "eager";
    image.closest("details")?.setAttribute("open", "");
    await image.decode();
    if (!image.naturalWidth || !image.clientWidth) unseen.push(image.alt);
  }
  return unseen;
}
"""
# Lightness contrast of text against the nearest background, by WCAG 2.
FAINT = """
() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = rgb => {
    const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.slice(0, 3).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.offsetParent) continue;
    const pair = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) faint.push(node.textContent.trim().slice(0, 40));
  }
  return faint;
}
"""
# Headings, captions, and the columns of tables, in their order.
OUTLINE = """
() => {
  const text = node => node.textContent.replace(/[ \\n]+/g, " ").trim();
  const lines = [];
  for (const node of document.querySelectorAll("h1, h2, h3, h4, figcaption, .browser, table:not(.facts)")) {
    const [, level] = node.tagName.match(/^H(\\d)$/) ?? [];
    if (level) lines.push("#".repeat(level) + " " + text(node));
    else if (node.tagName === "FIGCAPTION") lines.push("figure: " + text(node));
    else if (node.className === "browser") lines.push("browser: " + node.getAttribute("aria-label"));
    else {
      lines.push("table: " + text(node.caption));
      lines.push("columns: " + [...node.tHead.rows[0].cells].map(text).join(" | "));
    }
  }
  return lines;
}
"""
NUMBER = re.compile(r"(?<![\w-])[-−+]?\d+(?:[.\u202f]\d+)*(?:e[-−+]?\d+)?")
# What a worker did differs from training to training.
PHASES = re.compile(r"(?<=columns: Worker \|).*")


class Visitor:
    """Opens pages with the network off, and keeps what the console and the network saw."""

    def __init__(self, browser) -> None:
        self.browser, self._visits = browser, []

    def __call__(self, path, width=1440, scheme="light", errors=False):
        """Open a file; `errors` are expected and not kept."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        page = context.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        if not errors:
            page.on("console", lambda message: None if HINT in message.text else said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message) or dialog.dismiss())
        page.goto(path.as_uri())
        page.wait_for_load_state()
        self._visits.append((context, path, asked if not errors else [], said))
        return page

    def leave(self) -> None:
        """Close all pages; fail on a message or on a request that was not for the report's own files."""
        visits, self._visits = self._visits, []
        for context, *_ in visits:
            context.close()
        for _, path, asked, said in visits:
            fetched = {url for url in asked if not url.startswith("data:")}
            beside = [*path.parent.glob("*.html"), *path.parent.glob("*_files/*")]
            assert fetched <= {file.as_uri() for file in beside}
            assert said == []


@contextmanager
def chromium():
    """Start Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


def find_faults(page) -> list:
    """What axe-core finds; first that of the components, which are built when they come into view."""
    from axe_playwright_python.sync_playwright import Axe

    build_components(page)
    found = Axe().run(page).response["violations"]
    return [(rule["id"], rule["impact"], rule["nodes"][0]["html"][:200]) for rule in found]


def build_components(page) -> None:
    """Scroll to every browser of components of a page, and wait until it is built."""
    for root in page.locator(".browser").all():
        root.scroll_into_view_if_needed()
        root.locator(".thumbs button").first.wait_for(state="attached")


def look_over(visit, folder) -> None:
    """Look at every page of a report: as wide and as narrow as it gets, light and dark."""
    pages = sorted(folder.glob("*.html"))
    assert {"index", "training"} < {path.stem for path in pages}
    for path in pages:
        page = visit(path)
        build_components(page)
        assert page.evaluate(UNSEEN) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 1440, path
        assert page.evaluate(FAINT) == [], path
        visit.leave()
        page = visit(path, 375, "dark")
        assert find_faults(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
        assert page.evaluate(FAINT) == [], path
        visit.leave()
    images = [path for kind in ("png", "webp") for path in folder.glob(f"*_files/*.{kind}")]
    assert images
    for path in images:
        assert np.asarray(Image.open(path).convert("RGB")).std() > BLANK, path


def outline(visit, folder) -> str:
    """Headings, captions and columns of all pages of a report, numbers taken out."""
    lines = []
    for path in sorted(folder.glob("*.html")):
        found = [NUMBER.sub("…", line) for line in visit(path).evaluate(OUTLINE)]
        lines += [f"---- {path.name}", *(PHASES.sub(" …", line) for line in found), ""]
    return "\n".join(lines)
