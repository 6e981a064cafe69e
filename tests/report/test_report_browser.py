"""The report in a real browser without a network, at two widths, in light, dark and print."""

import dataclasses
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
HINT = "willReadFrequently"  # Chromium on the speed of the viewer's canvas
PAGES = ("index", "training", "01", "03")

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

    def open_page(path, width=1440, scheme="light", errors=False):
        context = browser.new_context(
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
        contexts.append((context, path, asked if not errors else [], said))
        return page

    yield open_page
    for context, path, asked, said in contexts:
        context.close()
        fetched = {url for url in asked if not url.startswith("data:")}
        beside = [*path.parent.glob("*.html"), *path.parent.glob("*_files/*")]
        assert fetched <= {file.as_uri() for file in beside}  # the report's own files, nothing else
        assert said == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (375, "light"), (375, "dark")]
)
def test_page_fits_and_can_be_read(visit, pages, name, width, scheme) -> None:
    page = visit(pages[name], width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FAINT) == []


@pytest.mark.parametrize("name", ["index", "training", "01"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, pages, name, scheme) -> None:
    page = visit(pages[name], 375, scheme)
    if name == "01":
        page.locator(".browser").first.scroll_into_view_if_needed()
        page.locator(".thumbs button").nth(11).wait_for(state="attached")
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["impact"], rule["nodes"][0]["html"][:200]) for rule in found] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_image_loads_and_has_a_size(visit, pages, name) -> None:
    page = visit(pages[name])
    assert page.evaluate("document.images.length") >= 3
    assert page.evaluate(UNSEEN) == []


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
    region = page.get_by_role("region", name="Table of runs")
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("element => element.scrollLeft > 0", arg=region.element_handle())


def test_hostile_names_do_not_run(visit, sketched) -> None:
    sketched.config["input"]["path"] = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"
    page = visit(sketched.write("index"))
    assert "<script>alert(1)</script>" in page.locator("#settings pre").inner_text()
    assert page.evaluate("document.scripts.length") == 1


@pytest.fixture
def components(visit, pages):
    """The browser of components of a subject, built."""
    page = visit(pages["01"])
    root = page.locator(".browser").first
    root.scroll_into_view_if_needed()
    root.locator(".thumbs button").first.wait_for()
    return root


def numbers(root) -> list[str]:
    """Labels of the small maps in their order."""
    return root.locator(".thumbs .number").all_text_contents()


def test_components_are_all_there_and_sort(components) -> None:
    assert len(numbers(components)) == 12
    components.get_by_label("Sort by").select_option("atom")
    assert numbers(components) == [str(k) for k in range(12)]
    components.get_by_label("Sort by").select_option("frequency")
    rising = [float(text.split()[2]) for text in numbers(components)]
    assert rising == sorted(rising) and len(set(rising)) > 3
    components.get_by_label("Event").select_option(label="left-finger")
    components.get_by_label("Sort by").select_option("pcc")
    assert numbers(components)[0].startswith("1 · |PCC|")  # atom 1 was made to follow it
    components.get_by_label("Sort by").select_option("p")
    assert numbers(components)[0] == "1 · p 0.020" and numbers(components)[1].endswith("p –")
    assert "left-finger" in components.locator(".component").inner_text()


def test_a_card_shows_map_course_and_spectrum_of_the_chosen_atom(components) -> None:
    components.get_by_label("Dictionary").select_option("dca")
    components.get_by_label("Go to atom").fill("7")
    components.get_by_label("Go to atom").press("Enter")
    card = components.locator(".component")
    assert card.get_by_text("dca, atom 7").is_visible()
    for name in ("Time course of atom 7", "Spectrum of atom 7", "Map of atom 7"):
        box = card.get_by_role("img", name=name).bounding_box()
        assert box["width"] > 100 and box["height"] > 40
    course = card.get_by_role("img", name="Time course").locator("path.line").get_attribute("d")
    components.get_by_label("Go to atom").fill("8")
    components.get_by_label("Go to atom").press("Enter")
    assert card.get_by_role("img", name="Time course").locator("path.line").get_attribute("d") != course


def test_the_sheet_of_maps_loads(components) -> None:
    address = components.locator(".thumb").first.evaluate("node => getComputedStyle(node).backgroundImage")
    size = components.page.evaluate(
        """async address => { const image = new Image(); image.src = address; await image.decode();
           return image.naturalWidth; }""",
        address[5:-2],
    )
    assert size > 500


def test_keyboard_walks_through_the_components(components) -> None:
    components.get_by_label("Sort by").select_option("atom")
    components.locator("[aria-current]").focus()
    for key, title in (("ArrowRight", "atom 1"), ("End", "atom 11"), ("Home", "atom 0")):
        components.page.keyboard.press(key)
        assert components.get_by_text(f"raw, {title}", exact=True).is_visible()
    assert components.page.evaluate("document.activeElement.dataset.atom") == "0"


@pytest.mark.parametrize("width", [375, 794])
def test_components_fit_a_narrow_window(visit, pages, width) -> None:
    page = visit(pages["01"], width=width, scheme="dark")
    page.locator(".browser").first.scroll_into_view_if_needed()
    page.locator(".thumbs button").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FAINT) == []


def test_components_work_within_a_single_file(visit, small, tmp_path) -> None:
    config = {**small.config, "report": {"single_file": True, "formats": [], "viewers": False}}
    page = visit(dataclasses.replace(small, config=config).write("01", tmp_path / "01.html"))
    page.locator(".browser").first.scroll_into_view_if_needed()
    page.locator(".thumbs button").nth(11).wait_for(state="attached")


def test_without_its_folder_a_page_says_so(visit, sketched) -> None:
    out = sketched.write("01")
    shutil.rmtree(out.with_name("01_files"))
    page = visit(out, errors=True)
    page.locator(".browser").first.scroll_into_view_if_needed()
    page.get_by_text("The data of this browser is not here").wait_for()


def test_a_table_sorts_by_mouse_and_keyboard(visit, pages) -> None:
    page = visit(pages["index"])
    heading = page.locator("#runs th").filter(has_text="Run")
    first = page.locator("#runs tbody tr").first.locator("td").first
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert first.inner_text() == "sub-01_task-motor"
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert first.inner_text() == "sub-03_task-rest"


def test_a_viewer_opens_and_follows_the_mouse(visit, fabricate, tmp_path) -> None:
    event = "</title><script>alert(1)</script>"
    study = fabricate(tmp_path / "viewed", events=(event,))
    study.config["report"]["viewers"] = True
    page = visit(study.write("01"))
    # By keyboard: what is built as it comes into view may move the link away under a mouse.
    page.locator("a", has_text="3-D").first.press("Enter")
    page.wait_for_url("**/*_viewer.html", timeout=120_000)
    assert page.get_by_text("A click or a drag moves the slices").inner_text().count(event) == 1
    canvas = page.locator("canvas")
    before = canvas.evaluate("node => node.toDataURL()")
    box = canvas.bounding_box()
    assert box["width"] > 300
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("old => document.querySelector('canvas').toDataURL() !== old", arg=before)
