"""The report in a real browser without a network, at two widths, in light, dark and print."""

import shutil
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.browser
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
PAGES = ("index", "01", "03")

# Every image has loaded, has a size, and is not of one colour.
BLANK = """
async () => {
  const blank = [];
  for (const image of document.images) {
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 32;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 32, 32);
    const data = context.getImageData(0, 0, 32, 32).data;
    const shades = new Set();
    for (let i = 0; i < data.length; i += 4) shades.add(data[i] + 256 * data[i + 1]);
    if (!image.naturalWidth || !image.clientWidth || shades.size < 2) blank.push(image.alt);
  }
  return blank;
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


@pytest.fixture(scope="module")
def browser() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """Open a file with the network off; fail on what the console or the network saw."""
    contexts = []

    def open_page(path, width=1440, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        page = context.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message) or dialog.dismiss())
        page.goto(path.as_uri())
        page.wait_for_load_state()
        contexts.append((context, path, asked, said))
        return page

    yield open_page
    for context, path, asked, said in contexts:
        context.close()
        fetched = {url for url in asked if not url.startswith("data:")}
        assert fetched <= {
            page.as_uri() for page in path.parent.glob("*.html")
        }  # pages visited, nothing else
        assert said == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (375, "light"), (375, "dark")]
)
def test_page_fits_and_can_be_read(visit, pages, name, width, scheme) -> None:
    page = visit(pages[name], width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FAINT) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_image_shows_something(visit, pages, name) -> None:
    page = visit(pages[name])
    assert page.evaluate("document.images.length") >= 3
    assert page.evaluate(BLANK) == []


@pytest.mark.parametrize("name", PAGES)
def test_print_fits_and_shows_all(visit, pages, name) -> None:
    page = visit(pages[name], width=794)  # A4 at 96 per inch
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert page.locator("nav").first.is_hidden()


def test_links_lead_to_the_run(visit, pages) -> None:
    page = visit(pages["03"])
    page.get_by_role("link", name="All subjects").click()
    page.wait_for_url(pages["index"].as_uri())
    page.get_by_role("link", name="sub-02_task-motor").click()
    page.wait_for_url(f"{pages['02'].as_uri()}#sub-02_task-motor")
    assert page.get_by_role("heading", name="sub-02_task-motor").is_visible()


def test_keyboard_reaches_links_and_scrolls_wide_parts(visit, pages) -> None:
    page = visit(pages["index"], width=375)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    region = page.get_by_role("region", name="Runs", exact=True).last
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("element => element.scrollLeft > 0", arg=region.element_handle())


def test_hostile_names_do_not_run(visit, sketched) -> None:
    sketched.config["input"]["path"] = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"
    page = visit(sketched.write("index"))
    assert "<script>alert(1)</script>" in page.locator("#settings pre").inner_text()
    assert page.evaluate("document.scripts.length") == 0
