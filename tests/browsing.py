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
# Every drawn canvas holds more than one colour.
PAINTED = """
() => [...document.querySelectorAll("canvas")].every(canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return data.some((value, i) => i % 4 < 3 && value !== data[i % 4]);
})
"""
COURSE = "node => [...node.querySelectorAll('path.line')].map(line => line.getAttribute('d')).join()"
# Width of the sheet that a small map is a tile of, when it is there.
SHEET = """
async node => {
  const image = new Image();
  image.src = getComputedStyle(node).backgroundImage.slice(5, -2);
  await image.decode();
  return image.naturalWidth;
}
"""
PLACE = re.compile(r"x = (−?\d+), y = (−?\d+), z = (−?\d+) mm")
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
            fetched = {url for url in asked if not url.startswith(("data:", "blob:"))}
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
    # Viewers are made one like the other: one of each page.
    viewers = [found[0] for page in pages if (found := sorted(folder.glob(f"{page.stem}_files/*.html")))]
    for path in [*pages, *viewers]:
        page = visit(path)
        assert find_faults(page) == [], path
        if path in pages:
            assert page.evaluate(UNSEEN) == [], path
        assert page.evaluate(PAINTED), path
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


def use(visit, folder) -> None:
    """Use a report's tables, browser of components and viewer as a reader does, and print its pages."""
    sort_a_table(visit(folder / "index.html"))
    subject = next(path for path in sorted(folder.glob("*.html")) if path.stem not in ("index", "training"))
    page = visit(subject)
    build_components(page)
    walk_components(page.locator(".browser").first)
    walk_viewer(visit(next(folder.glob(f"{subject.stem}_files/*_viewer.html"))))
    visit.leave()
    for path in (folder / "index.html", subject):
        print_page(visit(path, width=794, scheme="dark"))
        visit.leave()


def sort_a_table(page) -> None:
    """Sort the index's table of runs by mouse and by keyboard."""
    heading = page.locator("#runs th").filter(has_text="Run").first
    cells = page.locator("#runs tbody tr td:first-child")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    rising = cells.all_inner_texts()
    assert rising == sorted(rising)
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert cells.all_inner_texts() == rising[::-1]


def walk_components(root) -> None:
    """Walk through a browser of components by keyboard, then choose an atom by mouse."""
    root.get_by_label("Sort by").select_option("atom")
    last = root.locator(".thumbs button").count() - 1
    root.locator("[aria-current]").focus()
    title, seen = root.locator(".component .title"), set()
    for key, atom in (("ArrowRight", 1), ("End", last), ("Home", 0)):
        root.page.keyboard.press(key)
        assert re.fullmatch(rf"[\w-]+, atom {atom}", title.inner_text())
        seen.add(root.locator(".component .plots").evaluate(COURSE))
    assert len(seen) == 3
    assert root.page.evaluate("document.activeElement.dataset.atom") == "0"
    thumb = root.locator(f".thumbs button[data-atom='{min(3, last)}']")
    thumb.click()
    assert re.fullmatch(rf"[\w-]+, atom {min(3, last)}", title.inner_text())
    assert thumb.get_attribute("aria-current") == "true" and root.locator("[aria-current]").count() == 1


def walk_viewer(page) -> None:
    """Move through a viewer by keyboard, there and back along each axis, then by mouse."""
    canvas, place = page.locator("canvas"), page.locator("#place")
    page.wait_for_function("document.querySelector('#place').textContent !== ''")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "3Dviewer"

    def position():
        return [int(mm.replace("−", "-")) for mm in PLACE.match(place.inner_text()).groups()]

    def picture():
        return canvas.evaluate("node => node.toDataURL()")

    start, drawn = position(), picture()
    for axis, (there, back) in enumerate(
        (("ArrowRight", "ArrowLeft"), ("ArrowUp", "ArrowDown"), ("PageUp", "PageDown"))
    ):
        page.keyboard.press(there)
        moved = np.subtract(position(), start)
        assert moved[axis] > 0 and np.count_nonzero(moved) == 1  # to the right, the front, the top
        assert picture() != drawn
        page.keyboard.press(back)
        assert position() == start and picture() == drawn
    page.keyboard.press("Shift+PageDown")
    assert position()[2] < start[2]
    page.keyboard.press("Shift+PageUp")
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 7, box["y"] + box["height"] / 3)
    page.wait_for_function("old => document.querySelector('canvas').toDataURL() !== old", arg=drawn)
    assert position() != start


def print_page(page) -> bytes:
    """Print a page to PDF, and check what is on paper: all of it, within its width, readable."""
    closed = page.locator("details:not([open])").count()
    for root in page.locator(".browser").all()[:1]:
        root.locator(".component .plot").first.wait_for()  # nobody has scrolled to it
        assert root.locator(".component .thumb").evaluate(SHEET) > 100
    page.evaluate(
        """() => addEventListener("beforeprint", () => { globalThis.shut = [
             document.querySelectorAll("details:not([open])").length,
             document.querySelectorAll(".browser:not(:has(.component))").length,
           ]; })"""
    )
    page.emulate_media(media="null")
    printed = page.pdf(format="A4")
    assert page.evaluate("globalThis.shut") == [0, 0]
    assert page.locator("details:not([open])").count() == closed  # as before
    if page.locator(".browser").count():
        assert re.search(rb"/Height 64\b", printed)  # the map of a card, as large as in its sheet
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for root in page.locator(".browser").all():
        root.locator(".component .plot").first.wait_for()
        assert (
            root.locator(".component .thumb").evaluate("node => getComputedStyle(node).printColorAdjust")
            == "exact"
        )
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert page.evaluate(FAINT) == []
    assert page.locator("nav").first.is_hidden()
    for details in page.locator("details").all():
        assert details.evaluate("node => node.lastElementChild.checkVisibility()")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    return printed


def outline(visit, folder) -> str:
    """Headings, captions and columns of all pages of a report, numbers taken out."""
    lines = []
    for path in sorted(folder.glob("*.html")):
        found = [NUMBER.sub("…", line) for line in visit(path).evaluate(OUTLINE)]
        lines += [f"---- {path.name}", *(PHASES.sub(" …", line) for line in found), ""]
    return "\n".join(lines)
