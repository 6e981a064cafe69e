"""The methods text says what ran, and cites what it lists; and where results come from."""

import html
import re
import shutil

import pytest

from dca.files import read_json, write_json
from dca.provenance import record_command
from dca.report.citations import entries
from dca.report.methods import write_methods
from dca.report.origin import origin_of
from dca.report.results import Folder, RunResults, records

PROVENANCE = {"dca": "0.1.0", "revision": "abc", "python": "3.11", "commands": []}
CITED = re.compile(r"([A-ZÖ][\w-]+(?: [A-Z][\w-]+)*?)(?: et al\.| and (?:[A-Z]\w+ ?)+)?, ((?:19|20)\d\d)")


def text_of(study, **changes) -> tuple[str, str]:
    """Text and references of a study; in its preprocessing some records are replaced."""
    folder = Folder(study.results)
    found = [RunResults(run, folder) for run in records(study.runs)]
    for path in study.results.glob("preprocess/*/summary.json"):
        if changes:
            write_json(path, {**read_json(path), **changes})
    paragraphs, references = write_methods(study.config, found, PROVENANCE)
    assert all("\n" not in paragraph for paragraph in paragraphs)
    return "\n".join(paragraphs), references


def step(name: str, **numbers) -> dict:
    return {"step": name, **numbers}


def fsl_steps() -> list[dict]:
    version = {"fsl": "6.0.7"}
    return [
        step("motion", **version),
        step("mask", **version),
        step("bias", **version),
        step("register", method="mean EPI to MNI152_T1_2mm (FLIRT)", **version),
        step("resample", space="MNI152NLin6Asym", **version),
        step("unbias", **version),
        step("smooth", fwhm_mm=5, **version),
        step("scale", **version),
        step("highpass", highpass_s=90, **version),
    ]


def test_of_a_whole_study_every_stage_is_told_by_its_records(sketched) -> None:
    text, _ = text_of(sketched)
    for words in (
        "3 runs of 3 subjects were in the study",
        "1 without events",
        "niimath 1.0",
        "SimpleITK 2.5.7",
        "high-pass filtered at 100 s",
        "No spatial smoothing",
        "TensorFlow 2.21",
        "Keras 3.15",
        "on 900 series of 2 runs, with 1 subject held out from training, for 200 updates, in batches of 9 "
        "series for each worker",
        "with 2 workers and 1 parameter server",
        "Adagrad",
        "3 runs were encoded",
        "dictionaries of 12 atoms were learned from the signals (raw), and from the hidden features (dca)",
        "SPAMS 2.6",
        "λ of 0.15",
        "nilearn 0.12",
        "SPM hemodynamic response, six motion parameters, first-order autoregressive noise",
        "up to 1000 surrogate designs with re-drawn event orders",
        "paired by subject",
    ):
        assert words in text, words
    assert "not run" not in text and "(2 of 3 runs)" not in text


@pytest.mark.parametrize(
    ("lost", "said", "unsaid"),
    [
        ("preprocess", "Preprocessing was not run.", "niimath"),
        ("signals", "Signals were not extracted.", "z-scored over time"),
        ("train", "The autoencoder was not trained", "Adagrad"),
        ("features", "No run was encoded with it yet.", "3 runs were encoded"),
        ("decompose", "No dictionary was learned.", "SPAMS"),
        ("glm", "The general linear model was not run.", "hemodynamic"),
        ("compare", "Atoms were not compared with the events.", "surrogate"),
    ],
)
def test_a_stage_that_did_not_run_is_not_claimed(sketched, lost, said, unsaid) -> None:
    shutil.rmtree(sketched.results / lost)
    text, _ = text_of(sketched)
    assert said in text and unsaid not in text


def test_of_nothing_nothing_is_claimed(sketched) -> None:
    shutil.rmtree(sketched.results)
    text, references = text_of(sketched)
    assert text.count(" not ") == 5 and "SimpleITK" not in text
    assert re.findall(r"@\w+{(\w+),", references) == ["molder2021"]


def test_what_holds_of_some_runs_is_not_said_of_all(sketched) -> None:
    shutil.rmtree(sketched.results / "decompose" / "dca" / sketched.runs[0].run_id)
    shutil.rmtree(sketched.results / "preprocess" / sketched.runs[1].run_id)
    text, _ = text_of(sketched)
    assert "Images were preprocessed (2 of 3 runs)" in text
    assert "from the hidden features (dca) (2 of 3 runs)" in text


def test_settings_claim_nothing_that_no_record_says(sketched) -> None:
    sketched.config["preprocess"].update(smooth_mm=5, regress="motion24", backend="fsl")
    sketched.config["train"].update(mode="single", epochs=7)
    text, references = text_of(sketched)
    assert "5 mm" not in text and "Twenty-four" not in text and "FSL 6" not in text and "7 epochs" not in text
    assert "jenkinson2012" not in references


def test_native_steps_are_told(sketched) -> None:
    sketched.config["preprocess"]["censor_fd_mm"] = 0.5
    steps = [
        step("slicetiming"), step("motion", niimath="1.0"), step("register", simpleitk="2.5.7"),
        step("warp", simpleitk="2.5.7"), step("resample", space="MNI152NLin2009aSym", voxel_mm=3),
        step("regress", regress="motion24_compcor", highpass_s=100), step("smooth", fwhm_mm=6), step("scale"),
    ]  # fmt: skip
    text, _ = text_of(sketched, steps=steps, censored_volumes=4)
    for words in (
        "Slices were interpolated", "MNI152NLin2009aSym", "Rueckert et al., 1999", "grid of 3 mm",
        "Twenty-four motion terms, five components", "above 0.5 mm", "12 in all runs were left out",
        "Gaussian kernel of 6 mm FWHM",
    ):  # fmt: skip
        assert words in text.replace("12 in all runs, were", "12 in all runs were"), words
    assert "high-pass filtered" not in text


def test_fsl_is_told_with_its_version(sketched) -> None:
    text, references = text_of(sketched, backend="fsl", steps=fsl_steps())
    for words in (
        "with FSL 6.0.7 (Jenkinson et al., 2012)", "MCFLIRT", "FAST", "mean EPI to MNI152_T1_2mm (FLIRT)",
        "in the space MNI152NLin6Asym", "SUSAN of 5 mm FWHM", "high-pass filtered at 90 s",
    ):  # fmt: skip
        assert words in text, words
    assert "niimath" not in text and "N4" not in text and "rorden2024" not in references


def test_feat_is_told_as_what_it_is(sketched) -> None:
    text, _ = text_of(sketched, backend="fsl", steps=[step("feat", highpass_s=100, fwhm_mm=0, fsl="6.0.7")])
    assert "FEAT" in text and "high-pass filtered at 100 s" in text and "No spatial smoothing" in text


def test_of_an_added_backend_no_steps_of_others_are_claimed(sketched) -> None:
    text, _ = text_of(sketched, backend="still", steps=[step("motion")])
    assert "preprocessed with the backend still." in text
    assert "realigned" not in text and "high-pass" not in text and "smoothing" not in text


@pytest.mark.parametrize(
    ("source", "program", "said", "cited"),
    [
        ("bids", "fMRIPrep 23.1.3", "preprocessed by fMRIPrep 23.1.3 (Esteban et al., 2019).", "esteban2019"),
        ("bids", "XCP-D 0.5.0", "preprocessed by XCP-D 0.5.0.", None),
        ("bids", "", "preprocessed by others.", None),
        ("hcp", "", "pipelines of the Human Connectome Project (Glasser et al., 2013).", "glasser2013"),
    ],
)
def test_who_preprocessed_is_named(sketched, source, program, said, cited) -> None:
    sketched.config["input"]["source"] = source
    text, references = text_of(sketched, backend="none", steps=[step("link", made_by=program)])
    assert said in text
    assert [key for key in ("esteban2019", "glasser2013") if key in references] == ([cited] if cited else [])


def test_runs_that_are_left_out_are_told_with_the_reason(sketched) -> None:
    sketched.config["input"]["exclude"] = ["sub-09_task-motor"]
    sketched.config["preprocess"]["exclude_over_limits"] = True
    path = sketched.results / "preprocess" / sketched.runs[0].run_id / "summary.json"
    write_json(path, {**read_json(path), "mean_fd_mm": 0.7})
    text, _ = text_of(sketched)
    assert "2 runs of 2 subjects" in text and "Left out by hand: sub-09_task-motor." in text
    assert "Left out by limits of quality: sub-01_task-motor (mean framewise displacement 0.7 mm" in text


def test_dictionaries_of_the_group_and_modes_of_training_are_told(sketched) -> None:
    sketched.config["decompose"].update(setups=["raw", "dca-signal"], level="group")
    for name in ("raw-group", "dca-signal-group"):
        shutil.copytree(sketched.results / "decompose" / "raw", sketched.results / "decompose" / name)
    path = sketched.results / "train" / "summary.json"
    write_json(path, {**read_json(path), "mode": "single"})
    text, references = text_of(sketched)
    assert "in which every run was coded (raw-group)" in text and "hidden features" not in text
    assert "in one process" in text and "dean2012" not in references


def variants(sketched):
    """Studies of several kinds, one after the other."""
    yield sketched, {}
    yield sketched, {"backend": "fsl", "steps": fsl_steps()}
    yield sketched, {"backend": "fsl", "steps": [step("feat", highpass_s=100, fwhm_mm=4, fsl="6")]}
    yield sketched, {"backend": "none", "steps": [step("link")]}
    yield sketched, {"backend": "none", "steps": [step("link", made_by="fMRIPrep 23.1.3")]}
    sketched.config["input"]["source"] = "hcp"
    yield sketched, {"backend": "none", "steps": [step("link")]}
    native = [step("motion"), step("register"), step("warp"), step("regress", regress="motion24_compcor")]
    sketched.config["preprocess"]["censor_fd_mm"] = 0.5
    sketched.config["input"]["source"] = "bids"
    yield sketched, {"backend": "native", "steps": native}
    card = sketched.results / "train" / "model" / "card.json"
    for mode, optimizer in (("sync", "adam"), ("single", "momentum")):
        trained = {"config": {"train": {"optimizer": optimizer, "learning_rate": 1}}, "target": "others"}
        write_json(card, {**read_json(card), **trained})
        summary = sketched.results / "train" / "summary.json"
        write_json(summary, {**read_json(summary), "mode": mode})
        yield sketched, {}
    for stage in ("compare", "glm", "decompose", "train", "preprocess"):
        shutil.rmtree(sketched.results / stage)
        yield sketched, {}
    sketched.config["encode"]["model"] = "elsewhere"
    yield sketched, {}


def test_what_is_cited_is_listed_and_what_is_listed_is_cited(sketched) -> None:
    seen = set()
    for study, changes in variants(sketched):
        text, references = text_of(study, **changes)
        keys = re.findall(r"@\w+{(\w+),", references)
        cited = {(name.split()[0].replace("ö", "o").lower(), year) for name, year in CITED.findall(text)}
        listed = {(key[:-4], key[-4:]) for key in keys}
        assert cited == listed and len(keys) == len(listed)
        seen |= set(keys)
    assert seen == set(entries())  # no entry that nothing ever cites


def test_the_text_is_on_the_page_and_says_no_more_than_the_settings_asked(sketched) -> None:
    page = sketched.write("index").read_text(encoding="utf-8")
    assert "for 200 updates" in page and "@article{duchi2011," in page
    assert "What did not run is not claimed" in page


def test_commands_versions_revision_and_seed_are_on_the_pages(sketched) -> None:
    page = sketched.write("03").read_text(encoding="utf-8")
    assert "Commands: not recorded." in page
    again = ["/usr/bin/snakemake", "-c2"]
    secret = [
        "--storage-s3-secret-key",
        "hushed",
        "a::hushed",
        "--x-token=hushed",
        "-n",
        "s3://me:hushed@x/y",
    ]
    for arguments in (again, ["snakemake", "-c4", *secret], again):
        record_command(sketched.results, arguments)
    for name in ("index", "03"):
        page = html.unescape(sketched.write(name).read_text(encoding="utf-8"))
        shown = page.split('aria-label="Commands">')[1].split("</pre>")[0].strip().splitlines()
        assert [line.split("  #")[0] for line in shown] == [
            "snakemake -c4 --storage-s3-secret-key '***' '***' '--x-token=***' -n 's3://***@x/y'",
            "snakemake -c2",
        ]
        assert "hushed" not in page
        for words in ("Git revision", "<td>abc</td>", "Seed (master)", "<td>3.11</td>", "Snakemake"):
            assert words in page, words


def test_a_damaged_record_of_commands_begins_anew(sketched) -> None:
    path = sketched.results / "logs" / "commands.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{")
    record_command(sketched.results, ["snakemake", "-c1"])
    origin = origin_of(Folder(sketched.results), sketched.config, PROVENANCE)
    assert [entry["command"] for entry in origin["commands"]] == ["snakemake -c1"]
