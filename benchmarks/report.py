"""What a subject's page takes to make, to load and to show: results/report.tsv.

    python benchmarks/report.py WORK [--voxel 2] [--atoms 400] [--repeats 7] [--out report.tsv]

Writes a made-up study with one run to WORK: the template's brain on MNI's grid at that voxel size, 284
volumes, six events, dictionaries of raw, dca and dca-signal. 2 % of an atom's coefficients are not zero: a
tenth of these in one blob, the others anywhere, which compresses worse than real maps do. The report's own
code makes the page twice, in a process of its own; it is opened in headless Chromium with the network off.

Columns: `images`, where they lie; `cpu_s` and `peak_mb` of making it, imports included; `html_kb`;
`opened_kb`, all that is loaded when it was opened and left alone until nothing more comes; `scrolled_kb`,
when one has seen all of it and every dictionary; `all_kb`, with viewers and vector figures, for a click;
`paint_ms`, first contentful paint; `load_ms`, the load event; `atoms_ms`, until the first browser of
components has all its atoms: medians of new windows; `load`, of the machine at the end. kB are 1000 bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image
from scipy import sparse

from dca.compare.atoms import ATOM_COLUMNS
from dca.compare.pcc import correlate
from dca.compare.run import COLUMNS
from dca.config import ROOT
from dca.files import write_json, write_tsv
from dca.preprocess.template import SPACE, template_on
from dca.provenance import revision
from dca.signals import write_shard

T, TR = 284, 0.72
EVENTS = ("cue", "left-finger", "right-finger", "left-toe", "right-toe", "tongue")
SETUPS = ("raw", "dca", "dca-signal")
DENSITY, BLOB = 0.02, 0.1  # share of coefficients that are not zero; of these, share that lies together
RUN: dict[str, Any] = {
    "run_id": "sub-01_task-motor", "subject": "01", "session": None, "task": "motor", "run": None,
    "split": "train", "tr": TR, "volumes": T, "bold": "bold.nii.gz", "events": EVENTS, "space": SPACE,
}  # fmt: skip
MAKE = """
import json, resource, sys, time
from dca import config
from dca.report import write_subject
out, run, results, single = sys.argv[1:]
section = {"single_file": single == "True"}
settings = config.resolve({"report": section, "decompose": {"setups": ["raw", "dca", "dca-signal"]}})
write_subject(out, "01", [json.loads(run)], results, settings)
print(json.dumps([time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6]))
"""
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SHEET = """async node => {
  const image = new Image();
  image.src = getComputedStyle(node).backgroundImage.slice(5, -2);
  await image.decode();
}"""
BUILT = "atoms => document.querySelectorAll('.browser .thumbs button').length >= atoms"
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def write_study(results: Path, voxel_mm: float, atoms: int, setups: Sequence[str] = SETUPS) -> None:
    """Write all results that the subject's page is made from."""
    rng = np.random.default_rng(0)
    shape = tuple(int(n) for n in np.ceil(np.array([182, 218, 182]) / voxel_mm))
    affine = np.diag([-voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = [90, -126, -72]
    mean = template_on(shape, affine)
    brain = mean > 0.1
    _write_preprocessing(results / "preprocess" / RUN["run_id"], mean, brain, affine, rng)
    _write_signals(results, brain, affine, rng)
    onsets = rng.random((len(EVENTS), T)) < 0.03
    design = pd.DataFrame(
        {event: np.convolve(row, np.hanning(24))[:T] for event, row in zip(EVENTS, onsets, strict=True)}
    )
    write_tsv(results / "glm" / RUN["run_id"] / "design.tsv", design.assign(constant=1.0), {})
    for number, event in enumerate(EVENTS):
        z = np.where(brain, rng.standard_normal(shape) + 8 * _blob(shape, brain, number), 0)
        _save(results / "glm" / RUN["run_id"] / f"{event}_z.nii.gz", z, affine)
    write_json(results / "glm" / RUN["run_id"] / "summary.json", {"volumes": T, "maps": {}})
    judged = [_write_setup(results, setup, atoms, brain, affine, design, rng) for setup in setups]
    table = pd.concat(judged)[list(ATOM_COLUMNS)]
    write_tsv(results / "compare" / "atoms" / f"{RUN['run_id']}.tsv", table, ATOM_COLUMNS)
    _write_comparison(results / "compare" / "runs" / f"{RUN['run_id']}.tsv")


def _write_preprocessing(
    folder: Path, mean: np.ndarray, brain: np.ndarray, affine: np.ndarray, rng: np.random.Generator
) -> None:
    _save(folder / "mean.nii.gz", 800 * mean + 20 * rng.standard_normal(mean.shape), affine)
    _save(folder / "mask.nii.gz", brain, affine)
    motion = 0.02 * np.cumsum(rng.standard_normal((T, 6)), axis=0) * [1, 1, 1, 0.02, 0.02, 0.02]
    table = pd.DataFrame(motion, columns=[f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"])
    table["framewise_displacement"] = np.r_[np.nan, 0.1 * rng.gamma(2, 0.5, T - 1)]
    table["dvars"], table["std_dvars"] = 20.0, 1 + 0.1 * rng.standard_normal(T)
    write_tsv(folder / "confounds.tsv", table, {})
    write_json(folder / "summary.json", {"backend": "native", "space": SPACE, "mean_fd_mm": 0.1})
    # As large as preprocessing draws them, and as fine: a column per volume, a square per voxel.
    for name, fine, size in (("carpet", (T, 500), (1420, 1000)), ("tsnr", (400, 150), (1200, 450))):
        noise = rng.normal(128, 40, fine[::-1]).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.NEAREST).convert("RGB").save(
            folder / f"{name}.png"
        )


def _write_signals(results: Path, brain: np.ndarray, affine: np.ndarray, rng: np.random.Generator) -> None:
    voxel = rng.permutation(np.flatnonzero(brain))
    count, step = len(voxel), 8192
    blocks = (
        rng.standard_normal((min(step, count - start), T), np.float32) for start in range(0, count, step)
    )
    write_shard(
        results / "signals" / f"{RUN['run_id']}.h5", blocks,
        length=T, voxel=voxel, mean=np.full(count, 800.0), std=np.ones(count),
        attributes={
            "run_id": RUN["run_id"], "subject": "01", "tr": TR, "affine": affine, "shape": brain.shape,
            "space": SPACE, "seed": 0, "source": "bold", "mask": "mask", "source_sha256": "0",
            "mask_sha256": "0", "preprocessing": {}, "excluded": {"constant": 0, "non-finite": 0},
        },
    )  # fmt: skip
    path = results / "features" / f"{RUN['run_id']}.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["H"], file["voxel"] = rng.standard_normal((1000, 288), np.float32), voxel[:1000]
        file.attrs.update(run_id=RUN["run_id"], model_sha256="0")
    table, said = {"time_s": TR * np.arange(T)}, {}
    for name, r in (("best", 0.9), ("median", 0.5), ("worst", 0.1)):
        table[name] = rng.standard_normal(T)
        table[f"{name}_model"] = r * table[name]
        said[name] = {"r": r, "position_mm": [6.0, -12.0, 30.0], "voxels": 1024}
    write_tsv(path.with_name(f"{RUN['run_id']}_reconstruction.tsv"), pd.DataFrame(table), said)


def _write_setup(
    results: Path,
    setup: str,
    atoms: int,
    brain: np.ndarray,
    affine: np.ndarray,
    design: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Write a dictionary with its codes and maps; return the p of its atoms."""
    folder = results / "decompose" / setup / RUN["run_id"]
    courses = np.cumsum(rng.standard_normal((T, atoms)), axis=0)
    courses[:, : len(EVENTS)] += 30 * design.to_numpy()
    courses -= courses.mean(axis=0)
    courses /= np.linalg.norm(courses, axis=0)
    columns = [f"atom_{k:03d}" for k in range(atoms)]
    write_tsv(folder / "dictionary.tsv", pd.DataFrame(courses, columns=columns), {})
    with h5py.File(results / "signals" / f"{RUN['run_id']}.h5") as file:
        voxel = file["voxel"][:]
    together = int(BLOB * DENSITY * len(voxel))
    rows = []
    for atom in range(atoms):
        inside = _blob(brain.shape, brain, atom).ravel()[voxel]
        used = np.r_[
            inside.argsort()[-together:], rng.integers(0, len(voxel), int(DENSITY * len(voxel)) - together)
        ]
        row = np.zeros(len(voxel), np.float32)
        row[used] = 0.1 * rng.gamma(2, 1, len(used)) * (1 + 4 * inside[used])
        rows.append(sparse.csr_array(row[None]))
    codes = sparse.vstack(rows, format="csr")
    sparse.save_npz(folder / "coefficients.npz", codes)
    maps = np.zeros((*brain.shape, len(EVENTS)), np.float32)
    maps.reshape(-1, len(EVENTS))[voxel] = codes[: len(EVENTS)].toarray().T
    _save(folder / "maps.nii.gz", maps, affine)
    volumes = [
        {"volume": k, "atom": columns[k], "index": k, "sign": 1, "event": event}
        for k, event in enumerate(EVENTS)
    ]
    write_json(folder / "maps.json", {"volumes": volumes})
    write_json(folder / "summary.json", {"atoms": atoms, "r2": 0.2, "warnings": []})
    judged = []
    for event, pcc in zip(EVENTS, correlate(courses, design.to_numpy()), strict=True):
        rank = np.abs(pcc).argsort()[::-1].argsort()
        numbers = {
            "atom": np.arange(atoms),
            "pcc": pcc,
            "p": (1 + rank) / 1000,
            "p_corrected": (1 + rank) / atoms,
        }
        judged.append(pd.DataFrame(numbers).assign(setup=setup, event=event))
    return pd.concat(judged).assign(run_id=RUN["run_id"], subject="01", split="train")


def _write_comparison(path: Path) -> None:
    """Every event's atom, all of them good enough for a viewer."""
    rows = [
        {
            "run_id": RUN["run_id"], "subject": "01", "split": "train", "setup": setup, "event": event,
            "atom": number, "sign": 1, "pcc": 0.6, "null_mean": 0.4, "null_sd": 0.04, "null_p95": 0.55,
            "p": 0.01, "surrogates": 1000, "distinct": 1000, "null": "order", "spatial_r": 0.4, "dice": 0.3,
        }
        for setup in SETUPS for number, event in enumerate(EVENTS)
    ]  # fmt: skip
    write_tsv(path, pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)


def _blob(shape: tuple[int, ...], brain: np.ndarray, number: int) -> np.ndarray:
    """A Gaussian of 1 at its centre, somewhere in the brain."""
    voxels = np.argwhere(brain)
    centre = voxels[(7919 * (number + 1)) % len(voxels)]
    near = [np.exp(-0.5 * ((np.arange(n) - c) / (0.05 * n)) ** 2) for n, c in zip(shape, centre, strict=True)]
    return np.asarray(np.einsum("i,j,k->ijk", *near), np.float32)


def _save(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)


def make(results: Path, single_file: bool) -> tuple[Path, float, float]:
    """Make the page by the report's own code; the page, CPU seconds and peak MB."""
    out = results / ("single" if single_file else "report") / "01.html"
    call = [sys.executable, "-c", MAKE, str(out), json.dumps(RUN), str(results), str(single_file)]
    said = subprocess.run(call, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    seconds, peak = json.loads(said.splitlines()[-1])
    return out, seconds, peak


def open_page(browser: Any, page: Path, atoms: int) -> dict[str, float]:
    """Open it in a new window, wait, then look at all of it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    window = context.new_page()
    asked: set[str] = set()
    window.on("request", lambda request: asked.add(request.url))
    window.goto(page.as_uri())
    window.wait_for_function(PAINT)
    found = {"paint_ms": window.evaluate(PAINT), "load_ms": window.evaluate(LOADED)}
    window.wait_for_function(BUILT, arg=atoms)
    found["atoms_ms"] = window.evaluate("performance.now()")
    window.locator(".component .thumb").first.evaluate(SHEET)
    found["opened_kb"] = _kb(page, asked)
    for image in window.locator("img").all():
        image.scroll_into_view_if_needed()
        image.evaluate("async image => { await image.decode(); }")
    choice = window.get_by_label("Dictionary").first
    for setup in choice.locator("option").all_text_contents():
        choice.select_option(setup)
        window.locator(".component", has_text=f"{setup}, atom").first.wait_for()
        window.locator(".component .thumb").first.evaluate(SHEET)
    context.close()
    return found | {"scrolled_kb": _kb(page, asked)}


def _kb(page: Path, asked: set[str]) -> float:
    """Size of the files that were asked for, in kB."""
    files = [page, *page.with_name(f"{page.stem}_files").glob("*")]
    return sum(file.stat().st_size for file in files if file.as_uri() in asked) / 1000


def measure(browser: Any, results: Path, atoms: int, single_file: bool, repeats: int) -> dict[str, Any]:
    """One row of the table."""
    page, seconds, peak = make(results, single_file)
    every = [page, *page.with_name(f"{page.stem}_files").glob("*")]
    opened = [open_page(browser, page, atoms) for _ in range(repeats)]
    middle = {name: round(statistics.median(found[name] for found in opened)) for name in opened[0]}
    return {
        "images": "in the page" if single_file else "beside it",
        "cpu_s": round(seconds, 1),
        "peak_mb": round(peak),
        "html_kb": round(page.stat().st_size / 1000),
        "opened_kb": middle["opened_kb"],
        "scrolled_kb": middle["scrolled_kb"],
        "all_kb": round(sum(file.stat().st_size for file in every) / 1000),
        **{name: middle[name] for name in ("paint_ms", "load_ms", "atoms_ms")},
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Measure both pages, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--voxel", type=float, default=2.0)
    parser.add_argument("--atoms", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/report.tsv")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    results = options.work / "results"
    if not results.exists():
        write_study(results, options.voxel, options.atoms)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        rows = [measure(browser, results, options.atoms, single, options.repeats) for single in (False, True)]
        browser.close()
    table = pd.DataFrame(rows).assign(revision=(revision(ROOT) or "")[:7])
    table.to_csv(options.out, sep="\t", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
