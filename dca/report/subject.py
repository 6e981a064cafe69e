"""The page of one subject: every run from motion to the comparison of maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dca.decompose.settings import setups as decompose_setups
from dca.preprocess.limits import reasons_to_exclude
from dca.preprocess.template import template_on
from dca.report import charts, verdicts
from dca.report.components import add_components
from dca.report.events import contrast_maps, key_figure
from dca.report.features import show_model
from dca.report.gallery import Data, Gallery, Shown
from dca.report.index import run_row
from dca.report.notes import gather_notes, run_logs
from dca.report.origin import origin_of
from dca.report.page import write_page
from dca.report.picture import shrink_png
from dca.report.results import Folder, RunResults, records
from dca.report.scales import Z_THRESHOLD
from dca.report.setups import leading, led_by_design, of_group
from dca.report.slices import Volume, draw_mask

# Columns of the comparison that the page shows, in its order.
COMPARED = {
    "p": "p",
    "p_corrected": "p, corrected over events",
    "excess": "Excess",
    "heldout_pcc": "Held-out PCC",
    "heldout_p": "Held-out p",
    "heldout_r": "Held-out map r",
    "heldout_r_p": "Held-out map p",
    "others_r": "Map r with others",
    "others_r_p": "p with others",
    "pcc": "|PCC|, uncorrected",
    "null_mean": "Null mean",
    "null_p95": "Null p95",
    "surrogates": "Surrogates",
    "atom": "Atom",
    "spatial_r": "Spatial r",
    "dice": "Dice",
}
EDGE = 0.05  # of the template's white matter: what is darker is blur around its brain


def write_subject(
    out: str | Path,
    subject: str,
    runs: Sequence[Any],
    results: str | Path,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write ``results/report/<subject>.html`` from results files.

    Parts whose files are missing say that they were not run.

    Parameters
    ----------
    out : path
        The page, beside ``index.html``.
    subject : str
        Label of the subject; other subjects' runs are ignored.
    runs : sequence of `dca.inputs.Run` or mapping
    results : path
        The results folder.
    config : mapping
        Complete settings.
    provenance : mapping, optional
        From `dca.provenance.collect`, which is asked by default.

    Raises
    ------
    OutputError
        If the page cannot be written.
    """
    folder = Folder(results)
    found = [RunResults(run, folder) for run in records(runs) if str(run["subject"]) == str(subject)]
    kept = [
        run for run in found if not reasons_to_exclude(run.summary("preprocess") or {}, config["preprocess"])
    ]
    section = config["report"]
    with Gallery(out, section["single_file"], section["formats"], section["viewers"]) as gallery:
        sections = [run_section(run, config, gallery) for run in found]
        logs = run_logs(folder.root, [run.run_id for run in found])
        notes = gather_notes(found, folder.problems, None, logs, config)
        write_page(
            out,
            "subject.html",
            subject=str(subject),
            verdicts=[
                verdicts.judge_runs(found, config["preprocess"], _excluded(config, str(subject))),
                verdicts.judge_motion(found),
                *_task_verdicts(kept, decompose_setups(config["decompose"])),
            ],
            sections=sections,
            columns=COMPARED,
            data=gallery.data,
            fd_threshold=charts.FD_THRESHOLD,
            z_threshold=Z_THRESHOLD,
            notes=notes,
            config=config,
            provenance=origin_of(folder, config, provenance),
        )


def _excluded(config: Mapping[str, Any], subject: str) -> list[str]:
    """Those of the subject's runs that the settings leave out by hand."""
    return [name for name in config["input"]["exclude"] if name.split("_")[0] == f"sub-{subject}"]


def run_section(run: RunResults, config: Mapping[str, Any], gallery: Gallery) -> dict[str, Any]:
    """All that the page shows of one run; its images go to the gallery."""
    row = run_row(run, config)
    section = {
        **row,
        "space": (run.signals or {}).get("space") or run.run.get("space"),
        "preprocess": run.summary("preprocess"),
        "carpet": _png(run, "carpet", "Carpet plot of {}: signals of brain voxels over time.", gallery),
        "tsnr": _png(
            run, "tsnr", "Temporal SNR of {} on axial slices, before and after preprocessing.", gallery
        ),
        "template": _template(run, gallery),
        "motion": _motion(run, gallery),
        "mask": _mask(run, gallery),
    }
    # Of a run that is left out later stages have at most what an earlier study made of it.
    return section if row["left_out"] else {**section, **_results(run, config, gallery)}


def _results(run: RunResults, config: Mapping[str, Any], gallery: Gallery) -> dict[str, Any]:
    glm = run.summary("glm") if run.events else None
    contrasts = [name for name in (glm or {}).get("maps", {}) if name not in run.events]
    contrasts = contrasts or list(config.get("glm", {}).get("contrasts") or {})
    setups = decompose_setups(config["decompose"])
    return {
        "signals": run.signals,
        "model": show_model(run, gallery),
        "names": run.events,
        "key": key_figure(run, leading(config["decompose"])[::-1], gallery) if run.events else None,
        "glm": glm,
        "contrasts": contrast_maps(run, contrasts, gallery),
        "contrasts_set": bool(contrasts),
        "comparison": _comparison(run),
        "led": _led(run),
        "decompositions": {setup: run.summary(f"decompose/{setup}") for setup in setups},
        "components": _components(run, setups, gallery),
    }


def _comparison(run: RunResults) -> list[dict[str, Any]] | None:
    if run.comparison is None:
        return None
    table = run.comparison.assign(excess=run.comparison["pcc"] - run.comparison["null_mean"])
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _led(run: RunResults) -> list[str]:
    """Setups that follow the design as their model was trained with it; not those of a group dictionary."""
    return sorted(setup for setup in led_by_design(run.comparison) if not of_group(setup))


def _components(run: RunResults, setups: Sequence[str], gallery: Gallery) -> dict[str, Data]:
    """Setup to the data of its atoms."""
    found = {setup: add_components(run, setup, gallery) for setup in setups}
    return {setup: data for setup, data in found.items() if data is not None}


def _task_verdicts(runs: Sequence[RunResults], setups: Sequence[str]) -> list[verdicts.Verdict]:
    tables = [run.comparison for run in runs if run.comparison is not None and len(run.comparison)]
    pcc = pd.concat(tables, ignore_index=True) if tables else None
    return [verdicts.judge_events(pcc, setup) for setup in setups]


def _png(run: RunResults, name: str, alt: str, gallery: Gallery) -> Shown | None:
    """A figure of the preprocessing, which also wrote it in other formats."""
    folder = f"preprocess/{run.run_id}"
    picture = run.folder.read(f"{folder}/{name}.png", lambda whole: shrink_png(whole, alt.format(run.run_id)))
    if picture is None:
        return None
    files = {suffix: run.folder.root / folder / f"{name}.{suffix}" for suffix in ("svg", "pdf")}
    there = {suffix: path for suffix, path in files.items() if path.exists()}
    data = f"{folder}/desc-preproc_bold.nii.gz"
    return gallery.add(f"{run.run_id}_{name}", replace(picture, vectors=there), data=data)


def _template(run: RunResults, gallery: Gallery) -> Shown | None:
    """The run's mask over the template, where the run was brought to one."""
    mask = run.mask
    if mask is None or not (run.summary("preprocess") or {}).get("space"):
        return None
    brain = template_on(mask.data.shape, mask.affine)
    template = Volume(np.where(brain > EDGE, brain, 0), mask.affine)
    alt = f"MNI template on axial slices with the outline of the brain mask of {run.run_id}."
    return gallery.add(
        f"{run.run_id}_template",
        draw_mask(template, mask, alt, whole=True),
        data=f"preprocess/{run.run_id}/mask.nii.gz",
    )


def _motion(run: RunResults, gallery: Gallery) -> Shown | None:
    if run.confounds is None:
        return None
    alt = f"Head motion, FD and DVARS of {run.run_id} over time."
    return gallery.add(
        f"{run.run_id}_motion",
        charts.draw_motion(run.confounds, run.tr, alt),
        data=f"preprocess/{run.run_id}/confounds.tsv",
    )


def _mask(run: RunResults, gallery: Gallery) -> Shown | None:
    if run.mean is None:
        return None
    mask = run.mask if run.mask is not None and run.mask.data.shape == run.mean.data.shape else None
    alt = f"Mean image of {run.run_id} on axial slices with the outline of the mask."
    data = f"preprocess/{run.run_id}/mean.nii.gz and mask.nii.gz"
    return gallery.add(f"{run.run_id}_mask", draw_mask(run.mean, mask, alt), data=data)
