"""Both pages on a fabricated study: what they say, what they leave out, what they survive."""

import base64
import dataclasses
import hashlib
import html
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

from dca import config as settings
from dca.compare.group import gather
from dca.errors import OutputError
from dca.files import read_json, read_tsv, write_json, write_tsv
from dca.report import write_subject
from dca.report.components import add_components, component_numbers
from dca.report.costs import read_costs
from dca.report.gallery import Gallery
from dca.report.methods import write_methods
from dca.report.paper import statements
from dca.report.results import Folder, RunResults, records
from dca.report.slices import Sections
from dca.signals import Shard

HOSTILE = "<script>alert(1)</script>"


class Parsed(HTMLParser):
    """Tags, addresses, images, scripts and text of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags, self.attributes, self.addresses, self.images, self.ids = set(), set(), [], [], []
        self.folder, self.scripts = page.parent, []
        self.text = ""
        self._skip = False
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._skip = tag in ("style", "script")
        found = dict(attrs)
        if tag == "script":
            self.scripts.append([found, ""])
        self.attributes |= found.keys()
        self.addresses += [found[name] for name in ("href", "src") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        if tag == "img":
            self.images.append(found)

    def image(self, found: dict[str, str]) -> Image.Image:
        """An image of the page, opened."""
        source = found["src"]
        if source.startswith("data:"):
            content = base64.b64decode(source.split(",", 1)[1])
        else:
            content = (self.folder / unquote(source)).read_bytes()
        return Image.open(io.BytesIO(content)).convert("RGB")

    def handle_endtag(self, tag):
        self._skip = False

    def handle_data(self, data):
        if self._skip and self.lasttag == "script":
            self.scripts[-1][1] += data
        if not self._skip:
            self.text += data


def test_the_index_keeps_no_table_of_a_run(sketched, monkeypatch) -> None:
    kept = []

    def follow(config, runs, provenance):
        kept.extend(runs)
        return write_methods(config, runs, provenance)

    monkeypatch.setattr("dca.report.index.write_methods", follow)
    text = Parsed(sketched.write("index")).text
    assert "worst run: sub-" in text and "surrogate designs" in text
    assert len(kept) == 3
    for run in kept:
        held = [name for name, value in vars(run).items() if isinstance(value, pd.DataFrame)]
        assert held == [] and run.displacement.size == 63


def test_pages_hold_their_sections_images_and_links(finished, pages) -> None:
    index = Parsed(pages["index"])
    assert {"summary", "runs", "motion", "training", "comparison", "methods", "notes", "settings"} <= set(
        index.ids
    )
    assert len(index.images) == 3 + 3  # motion, losses, excess; a map of the group per event
    training = Parsed(pages["training"])
    assert {"loss", "workers", "filters", "scaling", "numbers", "notes"} <= set(training.ids)
    # losses, timeline, staleness, throughput, filters, their gains, a deeper layer, scaling
    assert len(training.images) == 8
    assert "waited for rows 5.0 % of their time (mean over updates; 95th percentile 50.0 %)" in training.text
    for run in finished.runs:
        assert f"{run.subject}.html" in index.addresses
        assert f"{run.subject}.html#{run.run_id}" in index.addresses
        assert run.run_id in Parsed(pages[run.subject]).ids
    # motion, carpet, mask, temporal SNR; reconstructions, features; per event three maps and a time course;
    # one contrast
    assert len(Parsed(pages["01"]).images) == 4 + 2 + 3 * 4 + 1
    assert len(Parsed(pages["03"]).images) == 4 + 2


def test_no_address_outside_the_folder_and_no_script_but_the_pages_own(pages) -> None:
    for page in pages.values():
        parsed = Parsed(page)
        assert not parsed.tags & {"iframe", "object", "embed", "form"}
        assert not any(name.startswith("on") or name == "style" for name in parsed.attributes)
        own = rf"{page.stem}_files/[\w%.-]+"
        for address in parsed.addresses:
            assert re.fullmatch(rf"data:.*|#[\w-]+|\w+\.html(#[\w-]+)?|{own}", address[:200]), address[:80]
            if "_files/" in address:
                assert (page.parent / unquote(address)).stat().st_size > 0
        text = page.read_text(encoding="utf-8")
        assert page.stat().st_size < 0.5e6
        [(attributes, code)] = parsed.scripts
        assert attributes == {}
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}' 'self' file:;" in html.unescape(text)


def test_a_page_of_400_atoms_and_all_it_shows_stay_within_5_mb(load_benchmark, tmp_path) -> None:
    atoms = 20  # what they take grows with their number
    made = load_benchmark("report")
    made.write_study(tmp_path, 3.0, atoms, ["raw"])
    config = settings.resolve(
        {"report": {"formats": [], "viewers": False}, "decompose": {"setups": ["raw"], "atoms": atoms}}
    )
    page = tmp_path / "report" / "01.html"
    write_subject(page, "01", [made.RUN], tmp_path, config)
    parsed = Parsed(page)
    images = sum((page.parent / unquote(found["src"])).stat().st_size for found in parsed.images)
    assert len(parsed.images) == 5 + 2 + 3 * len(made.EVENTS)
    sheet, numbers = (
        next(page.with_name("01_files").glob(f"*_components.{kind}")).stat().st_size
        for kind in ("webp", "js")
    )
    assert sheet > 1000 * atoms  # maps, not black
    assert page.stat().st_size + images + 400 / atoms * (sheet + numbers) < 5e6


def test_a_single_file_holds_everything(small, tmp_path) -> None:
    config = {**small.config, "report": {"single_file": True, "formats": ["svg"], "viewers": True}}
    alone = dataclasses.replace(small, config=config)
    for name in ("index", "01"):
        parsed = Parsed(alone.write(name, tmp_path / f"{name}.html"))
        assert all(re.match(r"data:|#|\w+\.html", address) for address in parsed.addresses)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01.html", "index.html"]
    inline = [(found["id"], json.loads(text)) for found, text in parsed.scripts if "id" in found]
    assert [name for name, _ in inline] == [
        f"data-sub-01_task-motor_{setup}_components" for setup in ("raw", "dca")
    ]
    assert all(data["sheet"].startswith("data:image/webp;base64,") for _, data in inline)


def every_figure_has_its_files(page: Path) -> None:
    """SVG, PDF and PNG, and its numbers or the name of the file that has them."""
    parsed, text = Parsed(page), page.read_text(encoding="utf-8")
    for image in parsed.images:
        stem = image["src"].removesuffix(".png")
        assert {f"{stem}.{suffix}" for suffix in ("svg", "pdf", "png")} <= set(parsed.addresses), stem
        after = text.split(f'href="{stem}.png"')[1].split("</figcaption>")[0]
        assert f"{stem}.tsv" in parsed.addresses or "data: <code>" in after, stem


def test_figures_lie_beside_the_page_as_vectors_with_their_numbers(finished, pages, tmp_path) -> None:
    config = {
        **finished.config,
        "report": {"single_file": False, "formats": ["svg", "pdf"], "viewers": False},
    }
    study = dataclasses.replace(finished, config=config)
    for name in ("index", "training"):
        every_figure_has_its_files(study.write(name, tmp_path / f"{name}.html"))
    page = study.write("01", tmp_path / "01.html")
    every_figure_has_its_files(page)
    files = {path.name: path for path in (tmp_path / "01_files").iterdir()}
    stem = "sub-01_task-motor_event-cue"
    assert files[f"{stem}_glm.pdf"].read_bytes().startswith(b"%PDF")
    assert "<svg" in files[f"{stem}_glm.svg"].read_text()
    courses = read_tsv(files[f"{stem}_courses.tsv"])
    assert list(courses) == ["time_s", "design", "dca", "raw"] and len(courses) == 64
    assert {f"01_files/{stem}_courses.{suffix}" for suffix in ("svg", "pdf", "tsv")} <= set(
        Parsed(page).addresses
    )
    again = finished.results / "report" / "01_files"
    for path in again.iterdir():  # the same results give the same files
        if path.suffix != ".png" or "carpet" in path.name:
            assert path.read_bytes() == files[path.name].read_bytes(), path.name


def test_files_of_an_earlier_page_are_gone(small, tmp_path) -> None:
    stale = tmp_path / "03_files" / "stale.png"
    stale.parent.mkdir()
    stale.touch()
    small.write("03", tmp_path / "03.html")
    assert not stale.exists() and list(stale.parent.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["03.html", "03_files"]


def test_images_can_be_read_have_alt_text_and_are_not_blank(pages) -> None:
    for page in pages.values():
        parsed = Parsed(page)
        for found in parsed.images:
            image = parsed.image(found)
            assert np.asarray(image).std() > 1
            assert len(found["alt"]) > 10
            assert abs(image.width / image.height - int(found["width"]) / int(found["height"])) < 0.05


def test_ids_are_unique(pages) -> None:
    for page in pages.values():
        ids = Parsed(page).ids
        assert len(ids) == len(set(ids))


def test_bare_pcc_is_always_called_uncorrected(pages) -> None:
    index, subject = Parsed(pages["index"]).text, Parsed(pages["01"]).text
    assert "Too few subjects to judge" in index and "The bare PCC is never used" in index
    assert "best |PCC|, uncorrected" in index
    for mention in re.findall(r"\|PCC\| [\d.]+.{12}", subject):
        assert mention.endswith("uncorrected"), mention


def test_same_input_same_pages_wherever_the_results_lie(finished, pages, tmp_path) -> None:
    shutil.copytree(finished.results, tmp_path / "elsewhere")
    moved = dataclasses.replace(finished, results=tmp_path / "elsewhere")
    for name in ("index", "training", "03"):
        again = moved.write(name, tmp_path / "again" / f"{name}.html")
        assert again.read_bytes() == pages[name].read_bytes()


def test_rows_as_dicts_with_joined_events_give_the_same_page(sketched, tmp_path) -> None:
    rows = [{**vars(run), "events": ";".join(run.events)} for run in sketched.runs]
    as_dicts = dataclasses.replace(sketched, runs=rows).write("01", tmp_path / "x" / "01.html")
    assert as_dicts.read_bytes() == sketched.write("01").read_bytes()


def test_resting_state_is_said(pages) -> None:
    text = Parsed(pages["03"]).text
    assert "Resting state" in text and "no events" in text


def test_what_was_learnt_with_the_design_is_not_judged_by_its_courses(sketched) -> None:
    before = Parsed(sketched.write("01")).text + Parsed(sketched.write("index")).text
    assert "p against other runs" not in before and "trained towards what" not in before
    tables = sorted((sketched.results / "compare" / "runs").glob("*.tsv"))
    for path in tables:
        table = read_tsv(path)
        led = table["setup"].eq("dca")
        table.loc[led, ["learnt_with", "others_r", "others_r_null", "others_r_p"]] = [
            "design",
            0.5,
            0.1,
            0.02,
        ]
        write_tsv(path, table, {})
    gather(tables, sketched.results / "compare" / "pcc.tsv", sketched.results / "compare" / "group.tsv")
    page, index = Parsed(sketched.write("01")).text, Parsed(sketched.write("index")).text
    assert "dca: p against other runs = 0.02" in page and "raw: p = " in page
    assert "Of dca p counts only if runs have different orders" in page
    assert "What was learnt with the design (dca) was judged by its maps" in index
    assert "likeness to other runs" in index


def change_comparison(study, change) -> None:
    """Change the tables of runs and of atoms, and gather them again."""
    folder = study.results / "compare"
    tables = sorted((folder / "runs").glob("*.tsv"))
    for path in [*tables, *(folder / "atoms").glob("*.tsv")]:
        write_tsv(path, change(read_tsv(path, dtype={"subject": str})), {})
    gather(tables, folder / "pcc.tsv", folder / "group.tsv")


def test_a_study_of_group_dictionaries_alone_has_figures_verdicts_and_replication(sketched) -> None:
    sketched.config["decompose"]["level"] = "group"
    for setup in ("raw", "dca"):
        (sketched.results / "decompose" / setup).rename(sketched.results / "decompose" / f"{setup}-group")
    maps = {"learnt_with": "design", "others_r": 0.5, "others_r_null": 0.1, "others_r_p": 0.02}
    change_comparison(sketched, lambda table: table.assign(setup=table["setup"] + "-group", **maps))
    row = {"setup": "dca-group", "event": "cue", "atom": 7, "sign": 1, "pcc": 0.25, "training_runs": 1}
    ranks = pd.DataFrame({"map_rank": [1, 2], "map_r": [0.5, 0.75], "map_r_others": 0.125}).assign(**row)
    write_tsv(sketched.results / "compare" / "replication.tsv", ranks, {})
    half = {"runs": [1, 1], "mean_r": 0.5, "median_r": 0.625, "above_0.8_percent": 25.0}
    shared = {"runs": 2, "atoms": 12, "unused_atoms": 1, "r2": 0.375, "last_quarter_fall_percent": None}
    for setup, halves in (("raw", half), ("dca", None)):
        write_json(
            sketched.results / "decompose/group" / setup / "summary.json",
            {**shared, "split_half": halves, "warnings": []},
        )
    page, index = (" ".join(Parsed(sketched.write(name)).text.split()) for name in ("01", "index"))
    assert "raw-group21210.38–0.500.6225" in index and "dca-group21210.38––––" in index  # cells in a row
    for text in (page, index):
        assert (
            "Not run" not in text and "Task in raw-group atoms" in text and "Task in dca-group atoms" in text
        )
    assert "Events: GLM, dca-group and raw-group" in page and "dca-group ±" in page
    assert "Of dca-group, raw-group p counts only if runs have different orders" in page
    assert "dca-group against raw-group" in index and "dca-group less raw-group of the maps" in index
    assert "Comparison: not run" not in index and "squares are raw-group, circles dca-group" in index
    assert "of a dictionary of the group all runs share the atoms" in index
    assert "each run has atoms of its own" not in index
    assert "dca-groupcue720.6250.1251 of 2+0.250" in index  # cells in a row


def test_a_study_with_dca_signal_has_its_verdicts(sketched) -> None:
    sketched.config["decompose"]["setups"] = ["raw", "dca", "dca-signal"]
    before = Parsed(sketched.write("index")).text
    assert "each run has atoms of its own" in before and "Replication" not in before
    change_comparison(
        sketched,
        lambda table: pd.concat([table, table[table["setup"] == "dca"].assign(setup="dca-signal")]),
    )
    page, index = (" ".join(Parsed(sketched.write(name)).text.split()) for name in ("01", "index"))
    for text in (page, index):
        assert re.search(r"Task in dca-signal atoms . \w+( \w+)? \d of \d events", text)
    assert "dca-signal against raw ? not judged Too few subjects" in index
    assert "Events: GLM, dca and raw" in page and "Atoms of other dictionaries (dca-signal)" in page


def test_a_study_of_one_setup_has_nothing_to_be_compared(sketched) -> None:
    tables = sorted((sketched.results / "compare" / "runs").glob("*.tsv"))
    for path in tables:
        table = read_tsv(path)
        write_tsv(path, table[table["setup"] == "raw"], {})
    gather(tables, sketched.results / "compare" / "pcc.tsv", sketched.results / "compare" / "group.tsv")
    assert "Not run" in Parsed(sketched.write("index")).text


@pytest.mark.parametrize(
    ("stage", "page", "said"),
    [
        ("preprocess", "01", "Motion estimation: not run."),
        ("preprocess", "index", "Not known"),
        ("signals", "01", "Signals: not run."),
        ("signals", "index", "0 of 3 in"),
        ("train", "index", "Training: not run."),
        ("train", "training", "Timeline: not run."),
        ("benchmarks", "training", "Time to equal loss: not run."),
        ("features", "01", "Reconstructions by the model: not run."),
        ("decompose", "01", "Dictionary of dca: not run."),
        ("glm", "01", "GLM: not run."),
        ("compare", "01", "Comparison: not run."),
        ("compare", "index", "Group comparison: not run."),
        ("compare", "index", "their maps do not lie on one another"),
        ("signals", "01", "Components: not run."),
        ("decompose", "01", "Components: not run."),
        ("glm", "01", "Contrasts: not run."),
        ("preprocess", "01", "Mask on the template: not run."),
        ("train", "training", "Waiting for rows: not run."),
    ],
)
def test_missing_stage_is_said(sketched, stage, page, said) -> None:
    shutil.rmtree(sketched.results / stage)
    text = Parsed(sketched.write(page)).text
    assert said in text
    assert "Error (report)" not in text


def test_maps_of_atoms_are_shown_without_a_comparison_and_without_a_glm(sketched) -> None:
    shutil.rmtree(sketched.results / "compare")
    shutil.rmtree(sketched.results / "glm")
    parsed = Parsed(sketched.write("01"))
    assert len(parsed.images) == 4 + 2 + 3
    assert "the peak of the dca map" in parsed.text


@pytest.mark.parametrize("page", ["index", "training", "01"])
def test_nothing_run_yet(sketched, page) -> None:
    shutil.rmtree(sketched.results)
    assert "None were recorded." in Parsed(sketched.write(page)).text


def test_damaged_files_are_listed_and_the_rest_shown(sketched) -> None:
    damaged = [
        "preprocess/{id}/mean.nii.gz",
        "preprocess/{id}/confounds.tsv",
        "preprocess/{id}/carpet.png",
        "preprocess/{id}/tsnr.png",
        "preprocess/{id}/summary.json",
        "signals/{id}.h5",
        "features/{id}.h5",
        "features/{id}_reconstruction.json",
        "decompose/raw/{id}/maps.nii.gz",
        "decompose/dca/{id}/dictionary.tsv",
    ]
    paths = [path.format(id=sketched.runs[0].run_id) for path in damaged]
    for path in paths:
        whole = (sketched.results / path).read_bytes()
        empty = path.endswith((".tsv", ".json"))
        (sketched.results / path).write_bytes(b"" if empty else whole[: len(whole) // 2])
    parsed = Parsed(sketched.write("01"))
    for path in paths:
        assert f"Error (report): {path}" in " ".join(parsed.text.split()), path
    assert len(parsed.images) == 4  # GLM, dca, time course, contrast


def test_components_of_a_dictionary_of_another_length_are_listed_and_not_shown(sketched) -> None:
    path = f"decompose/raw/{sketched.runs[0].run_id}/dictionary.tsv"
    write_tsv(sketched.results / path, read_tsv(sketched.results / path).iloc[:-1], {})
    page = sketched.write("01")
    assert f"Error (report): {path}: has 63 rows, the run has 64 volumes" in " ".join(
        Parsed(page).text.split()
    )
    assert [file.stem[-14:] for file in page.with_name("01_files").glob("*.js")] == ["dca_components"]


@pytest.mark.parametrize("lacking", ["r", "position_mm", "median"])
def test_an_example_without_its_numbers_is_listed(sketched, lacking) -> None:
    path = f"features/{sketched.runs[0].run_id}_reconstruction.json"
    said = read_json(sketched.results / path)
    if lacking in said:
        said[lacking] = {}
    else:
        del said["best"][lacking]
    write_json(sketched.results / path, said)
    text = " ".join(Parsed(sketched.write("01")).text.split())
    assert f"Error (report): {path}: lacks r, position_mm or voxels of an example" in text


def test_p_of_another_dictionary_are_listed_and_not_shown(sketched) -> None:
    run = sketched.runs[0]
    path = f"compare/atoms/{run.run_id}.tsv"
    rows = read_tsv(sketched.results / path, dtype={"subject": str})
    larger = rows["setup"].eq("dca") & rows["atom"].eq(11)
    write_tsv(sketched.results / path, rows.assign(atom=rows["atom"].where(~larger, 400)), {})
    page = sketched.write("01")
    text = " ".join(Parsed(page).text.split())
    assert text.count(f"Error (report): {path}: names atoms that are not among the 12 of dca") == 1
    shown = {
        setup: component_numbers(
            RunResults(records(sketched.runs)[0], Folder(sketched.results)),
            setup,
            np.eye(64, 12),
            sparse.csr_array((12, 5)),
        )["p"][0]
        for setup in ("raw", "dca")
    }
    assert None not in shown["raw"] and set(shown["dca"]) == {None}


def test_hostile_text_stays_text(sketched) -> None:
    sketched.config["input"]["path"] = HOSTILE
    folder = sketched.results / "decompose" / "raw" / sketched.runs[0].run_id
    summary = read_json(folder / "summary.json")
    write_json(folder / "summary.json", {**summary, HOSTILE: HOSTILE, "warnings": [HOSTILE]})
    for name in ("index", "01"):
        parsed = Parsed(sketched.write(name))
        assert len(parsed.scripts) == 1
        assert parsed.text.count(HOSTILE) >= 2


def test_hostile_event_names_stay_text(sketched, fabricate, tmp_path) -> None:
    event = '<img src=x onerror="alert(1)">'
    study = fabricate(tmp_path / "hostile", events=(event,))
    for name in ("index", "01"):
        parsed = Parsed(study.write(name))
        assert "onerror" not in parsed.attributes
        assert event in parsed.text


@pytest.mark.parametrize("single", [False, True])
def test_hostile_names_of_runs_and_files_stay_text(sketched, rename, single) -> None:
    sketched.config["report"]["single_file"] = single
    study, name = rename(sketched)
    for page in ("index", "01"):
        parsed = Parsed(study.write(page))
        assert "onerror" not in parsed.attributes
        assert name in parsed.text
        assert [found for found, _ in parsed.scripts if found.keys() - {"type", "id"}] == []
        for address in parsed.addresses:
            if "_files/" in address:
                assert (study.results / "report" / unquote(address)).is_file()


def test_log_warnings_are_shown_without_time_and_without_others_noise(sketched) -> None:
    log = sketched.results / "logs" / "signals" / f"{sketched.runs[0].run_id}.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "2026-01-01 10:00:00,000 INFO dca.signals: read\n"
        "2026-01-01 10:00:01,000 WARNING dca.signals: 3 voxels are constant\n"
        "2026-01-01 10:00:02,000 WARNING tensorflow: some noise\n"
    )
    for name in ("index", "01"):
        text = Parsed(sketched.write(name)).text
        assert "3 voxels are constant" in text
        assert "some noise" not in text and "10:00" not in text
    assert "3 voxels are constant" not in Parsed(sketched.write("03")).text


def test_a_study_with_a_model_from_elsewhere_shows_no_training(sketched) -> None:
    """Even if an earlier study left one in the folder."""
    sketched.config["encode"]["model"] = "elsewhere"
    for page in ("index", "training"):
        parsed = Parsed(sketched.write(page))
        assert not any(word in found["src"] for found in parsed.images for word in ("loss", "filter"))
    text = Parsed(sketched.write("index")).text
    assert "had been trained on other data" in text and "was held out from training" not in text
    assert "dean2012" not in text and "duchi2011" not in text


def test_a_run_beyond_a_limit_is_named(sketched) -> None:
    summary = sketched.results / "preprocess" / sketched.runs[0].run_id / "summary.json"
    write_json(summary, {**read_json(summary), "mean_fd_mm": 0.4})
    assert "above the limit" not in Parsed(sketched.write("index")).text
    sketched.config["preprocess"]["limits"]["mean_fd_mm"] = 0.3
    for name in ("index", "01"):
        assert "0.4 mm is above the limit of 0.3 mm" in Parsed(sketched.write(name)).text
    assert "above the limit" not in Parsed(sketched.write("03")).text


def test_runs_that_are_left_out_are_counted_and_shown_as_such(sketched) -> None:
    summary = sketched.results / "preprocess" / sketched.runs[0].run_id / "summary.json"
    write_json(summary, {**read_json(summary), "mean_fd_mm": 0.7})
    sketched.config["preprocess"]["exclude_over_limits"] = True
    index, page = (" ".join(Parsed(sketched.write(name)).text.split()) for name in ("index", "01"))
    assert "2 of 3 in" in index and "1 left out, beyond the limits: sub-01_task-motor" in index
    assert "sub-01_task-motor (mean framewise displacement 0.7 mm is above the limit of 0.5 mm" in index
    reason = "mean framewise displacement 0.7 mm is above the limit of 0.5 mm (preprocess.limits.mean_fd_mm)"
    for text in (index, page):
        assert f"{reason}: left out of training, GLM and comparison" in text
    assert f"Left out of training, GLM and comparison: {reason}." in page
    assert "Comparison with nulls" not in page and "Signals" not in page
    assert "Left out" not in Parsed(sketched.write("02")).text


def test_runs_that_were_left_out_by_hand_are_in_the_strip(sketched) -> None:
    sketched.config["input"]["exclude"] = ["sub-03_task-motor", "sub-09"]
    said = "left out by hand (input.exclude): {}"
    assert said.format("sub-03_task-motor, sub-09") in Parsed(sketched.write("index")).text
    assert said.format("sub-03_task-motor") in Parsed(sketched.write("03")).text
    assert "left out by hand" not in Parsed(sketched.write("02")).text


def test_warnings_of_every_dictionary_are_listed(sketched) -> None:
    sketched.config["decompose"].update(setups=["raw", "dca-signal"], level="both")
    run = sketched.runs[0].run_id
    folders = ("dca-signal", "raw-group", "group/raw")
    for folder in (f"{name}/{run}" if name != "group/raw" else name for name in folders):
        path = sketched.results / "decompose" / folder / "summary.json"
        path.parent.mkdir(parents=True)
        write_json(path, {"warnings": [f"a warning of {folder.split('/' + run)[0]}"]})
    text = Parsed(sketched.write("index")).text
    assert all(f"a warning of {folder}" in text for folder in folders)


def test_contrasts_say_how_to_judge_and_excluded_voxels_are_counted(pages, sketched) -> None:
    text = " ".join(Parsed(pages["01"]).text.split())
    contrasts = text.split("Contrasts")[1]
    assert "How to judge: positive is where the events of positive weight" in contrasts
    assert "Excluded: 3 constant." in text and "3 constant" in Parsed(pages["index"]).text
    sketched.config["glm"]["contrasts"] = {}
    for path in sketched.results.glob("glm/*/summary.json"):
        write_json(path, {**read_json(path), "maps": {}})
    assert "Contrasts: not run, as none is set" in " ".join(Parsed(sketched.write("01")).text.split())


def test_a_normalised_run_is_shown_on_the_template(sketched) -> None:
    words = "MNI template with the outline of the run's brain mask"
    assert words not in Parsed(sketched.write("01")).text
    summary = sketched.results / "preprocess" / sketched.runs[0].run_id / "summary.json"
    write_json(summary, {**read_json(summary), "space": "MNI152NLin2009aSym"})
    assert words in Parsed(sketched.write("01")).text


def test_unwritable_place_is_one_line(sketched, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        sketched.write("03", tmp_path / "file" / "03.html")


def test_time_and_memory_are_summed_by_step_and_not_of_the_report(sketched) -> None:
    folder = sketched.results / "benchmarks"
    assert "No job of the workflow left its measures" in Parsed(sketched.write("index")).text
    for name, seconds, memory in (
        ("preprocess/sub-01_task-motor.motion", 2.0, "300"),
        ("preprocess/sub-02_task-motor.motion", 5.5, "-"),
        ("decompose/raw/sub-01_task-motor", 1.0, "90"),
        ("train", 60.0, "1500"),
        ("report/01", 77.0, "1"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.tsv").write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{memory}\t1.5\n")
    costs = {cost.step: cost for cost in read_costs(Folder(sketched.results))}
    assert list(costs) == ["decompose/raw", "preprocess › motion", "train"]
    motion = costs["preprocess › motion"]
    assert (motion.jobs, motion.wall_s, motion.longest_s, motion.memory_mb) == (2, 7.5, 5.5, 300)
    assert "preprocess › motion" in Parsed(sketched.write("index")).text


def test_what_the_paper_says_stands_beside_what_was_measured(pages) -> None:
    text = " ".join(Parsed(pages["training"]).text.split())
    for words in (
        "The paper says",
        "almost seven times as fast",
        "times as fast: 11.70 without overlap, 11.70 with overlap",
        "“almost 51 hours”",
        "2 workers: 1.7 × the time of one process (3 of 3 trainings got there); 4 workers: not measured",
        "would not benefit the training speed significantly",
        "2.00 times as fast on 2 cores as on 1",
    ):
        assert words in text, words
    assert {row.figure for row in statements(None, None, None)} == {"Fig. 5", "Fig. 6", "Fig. 7"}
    assert all("not measured" in row.here for row in statements(None, None, None))


def test_columns_of_the_comparison_that_are_not_there_were_not_run(sketched) -> None:
    table = sketched.results / "compare" / "runs" / f"{sketched.runs[0].run_id}.tsv"
    rows = read_tsv(table, dtype={"subject": str})
    without = rows.drop(columns=["heldout_pcc"], errors="ignore")
    write_tsv(table, without, {})
    assert "not run" in Parsed(sketched.write("01")).text
    write_tsv(table, without.assign(heldout_pcc=0.125), {})
    assert "+0.125" in Parsed(sketched.write("01")).text


@pytest.mark.parametrize("atom", [0, 7, 11])
@pytest.mark.parametrize("mm", [(-42, -30, 30), (42, 18, -6)])  # left, behind, above; right, in front, below
def test_tile_k_of_the_sheet_is_the_map_of_atom_k_and_left_is_left(small, tmp_path, atom, mm) -> None:
    run_id = small.runs[0].run_id
    results = tmp_path / "results"
    shutil.copytree(small.results, results)
    with Shard(results / "signals" / f"{run_id}.h5") as shard:
        place = np.rint(np.linalg.inv(shard.affine) @ [*mm, 1])[:3].astype(int)
        (row,) = np.flatnonzero(shard.voxel == np.ravel_multi_index(place, shard.shape))
        codes = sparse.lil_array((12, shard.n_voxels), dtype=np.float32)
    codes[atom, row] = 0.5
    sparse.save_npz(results / "decompose/raw" / run_id / "coefficients.npz", sparse.csr_array(codes))
    run = RunResults(records(small.runs)[0], Folder(results))
    with Gallery(tmp_path / "01.html") as gallery:
        data = add_components(run, "raw", gallery)
    text = (tmp_path / "01_files" / f"{data.name}.js").read_text()
    said = json.loads(text[text.index(",") + 1 : -2])
    assert said["place"][atom] == list(mm)
    sheet = np.asarray(Image.open(tmp_path / "01_files" / f"{data.name}.webp").convert("RGB"), float)
    coloured = sheet[..., 0] - sheet[..., 2] > 60  # of a positive value: red to yellow, over grey
    height, width = sheet.shape[0] // said["rows"], sheet.shape[1] // said["columns"]
    down, along = np.nonzero(coloured)
    assert set(zip(down // height, along // width, strict=True)) == {divmod(atom, said["columns"])}
    tile = coloured[atom // said["columns"] * height :, atom % said["columns"] * width :][:height, :width]
    ys, xs = np.nonzero(tile)
    sections = Sections(run.mean, run.mask, 64)
    sagittal, coronal, _ = (across for _, across in sections._pixels.values())
    assert sections.size == (height, width)
    across, forward, up = np.subtract(mm, (0, -12, 12))  # from the middle of the brain
    for first, last, right, above in (
        (0, sagittal, forward, up),
        (sagittal, sagittal + coronal, across, up),
        (sagittal + coronal, width, across, forward),
    ):
        inside = (xs >= first) & (xs < last)
        assert np.sign(xs[inside].mean() - (first + last - 1) / 2) == np.sign(right)
        assert np.sign((height - 1) / 2 - ys[inside].mean()) == np.sign(above)
