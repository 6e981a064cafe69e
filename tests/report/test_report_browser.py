"""The report in a real browser without a network, at two widths, in light, dark and print."""

import dataclasses
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from scipy import sparse

from dca.files import read_tsv, write_tsv
from dca.report.gallery import Gallery
from dca.report.results import Volume
from dca.report.scales import Scale
from dca.report.viewer import add_viewer

pytestmark = pytest.mark.browser
PAGES = ("index", "training", "01", "03")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (375, "light"), (375, "dark")]
)
def test_page_fits_and_can_be_read(visit, browsing, pages, name, width, scheme) -> None:
    page = visit(pages[name], width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(browsing.FAINT) == []


@pytest.mark.parametrize("name", ["index", "training", "01"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, browsing, pages, name, scheme) -> None:
    page = visit(pages[name], 375, scheme)
    assert browsing.find_faults(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    assert browsing.find_faults(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_image_loads_and_has_a_size(visit, browsing, pages, name) -> None:
    page = visit(pages[name])
    assert page.evaluate("document.images.length") >= 3
    assert page.evaluate(browsing.UNSEEN) == []


@pytest.mark.parametrize("name", PAGES)
def test_print_fits_and_shows_all(visit, pages, name) -> None:
    page = visit(pages[name], width=794)  # A4 at 96 per inch
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert page.locator("nav").first.is_hidden()


@pytest.mark.parametrize("name", PAGES)
def test_paper_has_what_is_folded_or_not_yet_built_and_light_colours(visit, browsing, pages, name) -> None:
    page = visit(pages[name], width=794, scheme="dark")
    names = ("--ink", "--good", "--caution", "--poor", "--unknown", "--dca", "--raw", "color-scheme")

    def colours():
        style = "getComputedStyle(document.documentElement)"
        return {name: page.evaluate(f"{style}.getPropertyValue('{name}').trim()") for name in names}

    dark = colours()
    page.emulate_media(media="print")
    paper = colours()
    page.emulate_media(media="screen", color_scheme="light")
    light = colours()
    assert not any(paper[name] == dark[name] for name in names)
    assert all(paper[name] == light[name] for name in names if name not in ("--ink", "color-scheme"))
    browsing.print_page(page)


def test_without_its_script_a_page_prints_what_is_folded(browser, pages) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(pages["01"].as_uri())
    row = page.locator("details tr").first
    assert not row.is_visible()
    page.emulate_media(media="print")
    assert row.is_visible()
    context.close()


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


@pytest.mark.parametrize("single", [False, True])
def test_hostile_names_of_events_and_runs_do_not_run(visit, rename, fabricate, tmp_path, single) -> None:
    event = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    study = fabricate(tmp_path / "hostile", events=(event,))
    study.config["report"]["single_file"] = single
    study, name = rename(study)
    page = visit(study.write("01"))
    root = page.locator(".browser").first
    root.scroll_into_view_if_needed()
    root.get_by_label("Event").select_option(label=event)
    assert event in root.locator(".component").inner_text()
    assert page.get_by_role("heading", name=name, exact=True).is_visible()
    assert page.locator("img[onerror]").count() == 0


BLOCKED = """
async () => {
  const blocked = [];
  addEventListener("securitypolicyviolation", event => blocked.push(event.blockedURI));
  const inside = "data:text/javascript,globalThis.ran=1";
  const tried = ["https://example.org/a.js", "http://localhost/a.js", inside];
  for (const src of tried) document.head.append(Object.assign(document.createElement("script"), { src }));
  document.head.append(Object.assign(document.createElement("script"), { text: "globalThis.ran=1" }));
  await new Promise(resolve => setTimeout(resolve, 200));
  try { eval("1"); blocked.push("eval ran"); } catch {}
  return [blocked, globalThis.ran ?? 0];
}
"""


def test_a_page_runs_no_script_but_its_own_and_its_data(visit, browsing, pages) -> None:
    page = visit(pages["01"], errors=True)
    browsing.build_components(page)
    scripts = page.evaluate("[...document.scripts].filter(script => script.src).map(script => script.src)")
    own = {path.as_uri() for path in pages["01"].with_name("01_files").glob("*_components.js")}
    assert scripts and set(scripts) <= own
    blocked, ran = page.evaluate(BLOCKED)
    assert {"https://example.org/a.js", "http://localhost/a.js", "data", "inline"} <= set(blocked)
    assert "eval ran" not in blocked and ran == 0


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
    for key, smallest, step in (("p", 0.01, 0.01), ("corrected", 1 / 12, 1 / 12)):
        components.get_by_label("Sort by").select_option(key)
        assert numbers(components)[0].startswith(f"1 · p {smallest:.3f}")
        rising = [float(text.split()[3]) for text in numbers(components)]
        np.testing.assert_allclose(rising, smallest + step * np.arange(12), atol=6e-4)
    components.get_by_label("Sort by").select_option("energy")
    assert components.get_by_label("Sort by").locator("option:checked").inner_text() == "share of energy"
    assert "Share of energy" in components.locator(".component").inner_text()
    falling = [float(text.split()[2]) for text in numbers(components)]
    assert falling == sorted(falling, reverse=True) and sum(falling) == pytest.approx(100, abs=0.1)
    components.get_by_label("Sort by").select_option("variance")
    assert components.get_by_label("Sort by").locator("option:checked").inner_text() == "variance explained"
    falling = [float(text.split()[2]) for text in numbers(components)]
    assert falling == sorted(falling, reverse=True) and 0 < sum(falling) < 100
    shown = components.locator(".component dl").inner_text()
    assert f"Variance explained\n{falling[0]:.3f} %" in shown
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


def test_a_card_counts_voxels_of_either_sign(visit, sketched) -> None:
    folder = sketched.results / "decompose" / "raw" / sketched.runs[0].run_id
    codes = sparse.load_npz(folder / "coefficients.npz").tolil()
    codes[3], codes[3, :7], codes[3, 7:12] = 0, 0.5, -0.25
    sparse.save_npz(folder / "coefficients.npz", codes.tocsr())
    page = visit(sketched.write("01"))
    root = page.locator(".browser").first
    root.scroll_into_view_if_needed()
    root.get_by_label("Go to atom").fill("3")
    root.get_by_label("Go to atom").press("Enter")
    assert "Voxels\n12, 5 of them negative" in root.locator(".component dl").inner_text()


def test_the_sheet_of_maps_loads(browsing, components) -> None:
    assert components.locator(".thumb").first.evaluate(browsing.SHEET) > 500


def test_keyboard_walks_through_the_components(components) -> None:
    components.get_by_label("Sort by").select_option("atom")
    components.locator("[aria-current]").focus()
    for key, title in (("ArrowRight", "atom 1"), ("End", "atom 11"), ("Home", "atom 0")):
        components.page.keyboard.press(key)
        assert components.get_by_text(f"raw, {title}", exact=True).is_visible()
    assert components.page.evaluate("document.activeElement.dataset.atom") == "0"


def test_keyboard_and_mouse_choose_an_atom(browsing, components) -> None:
    browsing.walk_components(components)


def test_a_small_map_is_its_atoms_tile_of_the_sheet(components, pages) -> None:
    [columns, rows] = components.evaluate(
        "node => { const data = arrived.get(JSON.parse(node.dataset.sources).raw[0]);"
        " return [data.columns, data.rows]; }"
    )
    places = components.locator(".thumbs button").evaluate_all(
        "nodes => nodes.map(node => [node.dataset.atom, node.firstChild.style.backgroundPosition])"
    )
    assert columns * rows >= len(places) == 12
    for atom, place in places:
        x, y = (float(part.rstrip("%")) / 100 for part in place.split())
        tile = round(y * max(1, rows - 1)) * columns + round(x * max(1, columns - 1))
        assert tile == int(atom)


def test_the_spectrum_of_a_card_peaks_where_its_course_does(visit, sketched) -> None:
    table = sketched.results / "decompose" / "raw" / sketched.runs[0].run_id / "dictionary.tsv"
    atoms = read_tsv(table)
    length, tr, cycles = len(atoms), sketched.runs[0].tr, 9
    course = np.sin(2 * np.pi * cycles * np.arange(length) / length)
    write_tsv(table, atoms.assign(atom_003=course / np.linalg.norm(course)), {})
    page = visit(sketched.write("01"))
    root = page.locator(".browser").first
    root.scroll_into_view_if_needed()
    root.get_by_label("Go to atom").fill("3")
    root.get_by_label("Go to atom").press("Enter")
    assert (
        f"Strongest frequency\n{cycles / (length * tr):.3f} Hz" in root.locator(".component dl").inner_text()
    )
    path = root.get_by_role("img", name="Spectrum of atom 3").locator("path.line").get_attribute("d")
    points = np.array([point.split() for point in path.lstrip("M").split("L")], dtype=float)
    assert points[:, 1].argmin() == cycles - 1  # frequencies begin with one cycle; up is towards 0
    others = np.delete(points[:, 1], cycles - 1)
    assert np.ptp(others) < 3 and others.min() - points[cycles - 1, 1] > 100


@pytest.mark.parametrize("width", [375, 794])
def test_components_fit_a_narrow_window(visit, browsing, pages, width) -> None:
    page = visit(pages["01"], width=width, scheme="dark")
    page.locator(".browser").first.scroll_into_view_if_needed()
    page.locator(".thumbs button").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(browsing.FAINT) == []


def test_components_work_within_a_single_file(visit, browsing, small, tmp_path) -> None:
    config = {**small.config, "report": {"single_file": True, "formats": [], "viewers": False}}
    page = visit(dataclasses.replace(small, config=config).write("01", tmp_path / "01.html"))
    page.locator(".browser").first.scroll_into_view_if_needed()
    page.locator(".thumbs button").nth(11).wait_for(state="attached")
    assert page.locator(".thumb").first.evaluate(browsing.SHEET) > 500


def test_without_its_folder_a_page_says_so(visit, sketched) -> None:
    out = sketched.write("01")
    shutil.rmtree(out.with_name("01_files"))
    page = visit(out, errors=True)
    page.locator(".browser").first.scroll_into_view_if_needed()
    page.get_by_text("The data of this browser is not here").wait_for()


def test_without_its_maps_the_browser_says_so(visit, sketched) -> None:
    out = sketched.write("01")
    for sheet in out.with_name("01_files").glob("*.webp"):
        sheet.unlink()
    page = visit(out, errors=True)
    page.locator(".browser").first.scroll_into_view_if_needed()
    page.get_by_text("The maps of these atoms are not here").wait_for()
    assert page.get_by_text("raw, atom").is_visible()


def test_a_table_sorts_by_mouse_and_keyboard(visit, browsing, pages) -> None:
    page = visit(pages["index"])
    heading = page.locator("#runs th").filter(has_text="Run")
    first = page.locator("#runs tbody tr").first.locator("td").first
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert first.inner_text() == "sub-01_task-motor"
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert first.inner_text() == "sub-03_task-rest"
    browsing.sort_a_table(page)


def test_the_table_of_runs_is_filtered_by_keyboard_and_printed_as_a_whole(visit, pages) -> None:
    page = visit(pages["index"])
    rows, count = page.locator("#runs tbody tr"), page.locator("#runs output")
    assert rows.count() == 3 and count.inner_text() == "3 of 3 runs"
    assert count.get_attribute("aria-live") == "polite"
    field = page.get_by_label("Only rows with")
    field.focus()
    page.keyboard.type("VALID")
    assert count.inner_text() == "1 of 3 runs"
    assert [row.inner_text().split()[0] for row in rows.all() if row.is_visible()] == ["02"]
    page.keyboard.press("Enter")
    assert page.url == pages["index"].as_uri()
    page.locator("#runs th").filter(has_text="Run").get_by_role("button").click()
    assert count.inner_text() == "1 of 3 runs" and sum(row.is_visible() for row in rows.all()) == 1
    page.emulate_media(media="print")
    assert not field.is_visible() and all(row.is_visible() for row in rows.all())
    page.emulate_media(media="screen")
    field.fill("none of them has this")
    assert count.inner_text() == "0 of 3 runs" and not any(row.is_visible() for row in rows.all())
    field.fill("")
    assert all(row.is_visible() for row in rows.all())


def test_components_are_filtered_by_their_p(components) -> None:
    def listed():
        return {int(text.split()[0]) for text in numbers(components)}

    components.get_by_label("Event").select_option(label="left-finger")
    count, limit = components.locator("output"), components.get_by_label("p at most")
    assert count.inner_text() == "12 of 12 atoms" and count.get_attribute("aria-live") == "polite"
    limit.focus()
    components.page.keyboard.type("0.26")  # corrected: 1/12, 2/12, 3/12
    assert count.inner_text() == "3 of 12 atoms" and len(listed()) == 3
    components.get_by_label("Sort by").select_option("corrected")
    assert all(float(text.split()[3]) <= 0.26 for text in numbers(components))
    assert components.get_by_label("p is").locator("option:checked").inner_text() == "corrected over atoms"
    components.get_by_label("p is").select_option("uncorrected")  # 0.01 to 0.12
    assert count.inner_text() == "12 of 12 atoms"
    limit.fill("0.02")
    assert len(listed()) == 2
    hidden = min(set(range(12)) - listed())
    components.get_by_label("Go to atom").fill(str(hidden))
    components.get_by_label("Go to atom").press("Enter")
    assert components.get_by_text(f"raw, atom {hidden}", exact=True).is_visible()
    assert components.locator(".thumbs button[tabindex='0']").count() == 1  # Tab still gets into the list
    limit.fill("0")
    assert count.inner_text() == "0 of 12 atoms" and listed() == set()
    assert components.get_by_text("No atom has so small a p.").is_visible()
    limit.fill("")
    assert count.inner_text() == "12 of 12 atoms" and listed() == set(range(12))
    components.page.emulate_media(media="print")
    assert not limit.is_visible()


def test_a_viewer_begins_at_a_value_however_the_image_lies(visit, browsing, tmp_path) -> None:
    turn = np.deg2rad(13)
    affine = np.diag([-3.0, 3, 3, 1]) @ np.array(
        [[1, 0, 0, 0], [0, np.cos(turn), -np.sin(turn), 0], [0, np.sin(turn), np.cos(turn), 0], [0, 0, 0, 1]]
    )
    grid = np.indices((20, 22, 18)).sum(axis=0).astype(np.float32)
    for number, cut in enumerate([(5, 6, 7), (11, 13, 9), (8, 15, 10)]):
        data = np.zeros(grid.shape, np.float32)
        data[cut] = 9
        with Gallery(tmp_path / f"{number}.html", viewers=True) as gallery:
            add_viewer(
                gallery,
                "map",
                "A map",
                Volume(data, affine),
                Volume(grid, affine),
                cut,
                Scale(10.0, 3.0, "z"),
            )
        page = visit(tmp_path / f"{number}_files" / "map.html")
        page.wait_for_function("document.querySelector('#place').textContent !== ''")
        assert "value 9" in page.locator("#place").inner_text()
        browsing.walk_viewer(page)


def test_a_viewer_opens_and_follows_mouse_and_keys(visit, browsing, fabricate, tmp_path) -> None:
    event = "</title><script>alert(1)</script>"
    study = fabricate(tmp_path / "viewed", events=(event,))
    study.config["report"]["viewers"] = True
    page = visit(study.write("01"))
    # By keyboard: what is built as it comes into view may move the link away under a mouse.
    page.locator("a", has_text="3-D").first.press("Enter")
    page.wait_for_url("**/*_viewer.html", timeout=120_000)
    assert page.locator("main").inner_text().count(event) == 1
    assert page.get_by_text("A click or a drag moves the slices").is_visible()
    assert page.get_by_text("Keys do too").is_visible()
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert policy.split("script-src ")[1].split(";")[0].count("'sha256-") == 4 == policy.count("sha256-") - 1
    canvas = page.locator("canvas")
    before = canvas.evaluate("node => node.toDataURL()")
    box = canvas.bounding_box()
    assert box["width"] > 300
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("old => document.querySelector('canvas').toDataURL() !== old", arg=before)
    browsing.walk_viewer(visit(Path(unquote(urlsplit(page.url).path))))
    narrow = visit(Path(unquote(urlsplit(page.url).path)), 375, "dark")
    assert browsing.find_faults(narrow) == [] == narrow.evaluate(browsing.FAINT)
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 375
    assert narrow.evaluate(browsing.PAINTED)
