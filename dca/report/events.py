"""The key figure: each event's maps of GLM, dca and raw on the same slices, and their time courses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dca.report import charts
from dca.report.gallery import Gallery, Shown
from dca.report.page import anchor
from dca.report.results import RunResults
from dca.report.scales import Scale, atom_scale, z_scale
from dca.report.setups import led_by_design
from dca.report.slices import Volume, draw_map, in_mm, peak
from dca.report.verdicts import ALPHA, primary_null
from dca.report.viewer import add_viewer


@dataclass(frozen=True)
class MapCell:
    """One map of an event: its picture, or why there is none; and the address of its viewer."""

    title: str
    picture: Shown | None
    missing: str
    viewer: str = ""


@dataclass(frozen=True)
class EventRow:
    """One event of a run.

    Attributes
    ----------
    name : str
    place : tuple of int or None
        Where the slices cross, in mm.
    through : str
        What that place is the peak of.
    cells : list of MapCell
        GLM, and the setups of the figure.
    courses : Shown or None
    atoms : bool
        Whether an atom was chosen in any setup.
    numbers : list of dict
        Rows of the comparison, the first null of each setup.
    """

    name: str
    place: tuple[int, int, int] | None
    through: str
    cells: list[MapCell]
    courses: Shown | None
    atoms: bool
    numbers: list[dict[str, Any]]


@dataclass(frozen=True)
class Chosen:
    """The atom that stands for an event: its number, and the sign that makes it follow the event."""

    atom: int
    sign: int


@dataclass(frozen=True)
class KeyFigure:
    """All events of a run, the setups beside the GLM, those of them that know the design, and the scales."""

    rows: list[EventRow]
    setups: list[str]
    led: list[str]
    scales: dict[str, Scale]


def key_figure(run: RunResults, setups: Sequence[str], gallery: Gallery) -> KeyFigure:
    """Draw all events of a run: the GLM, then `setups` in their order."""
    glm = {event: run.z_map(event) for event in run.events}
    chosen = {setup: choose_atoms(run, setup) for setup in setups}
    atoms = {setup: _atom_maps(run, setup, chosen[setup]) for setup in setups}
    scales = {}
    if drawn := [volume.data for volume in glm.values() if volume is not None]:
        scales["GLM"] = z_scale(drawn)
    for setup in setups:
        if atoms[setup]:
            scales[setup] = atom_scale([volume.data for volume in atoms[setup].values()])
    rows = []
    for event in run.events:
        columns = {"GLM": glm[event], **{setup: atoms[setup].get(event) for setup in setups}}
        picks = {setup: chosen[setup].get(event) for setup in setups}
        rows.append(_event_row(run, event, columns, scales, picks, gallery))
    led = led_by_design(run.comparison)
    return KeyFigure(rows, list(setups), [setup for setup in setups if setup in led], scales)


def choose_atoms(run: RunResults, setup: str) -> dict[str, Chosen]:
    """The atoms of the comparison; where it was not run, those that the maps were written for."""
    if run.comparison is not None:
        rows = primary_null(run.comparison[run.comparison["setup"] == setup])
        return {
            str(row["event"]): Chosen(int(row["atom"]), int(row["sign"]))
            for row in rows.to_dict("records")
            if pd.notna(row["atom"])
        }
    return {event: Chosen(atom, sign) for event, (atom, sign) in run.atoms_by_event(setup).items()}


def contrast_maps(
    run: RunResults, names: Sequence[str], gallery: Gallery
) -> list[tuple[str, tuple[int, int, int], Shown | None]]:
    """Draw contrasts through their strongest voxel; those that were not computed are left out."""
    maps = {name: volume for name in names if (volume := run.z_map(name)) is not None}
    scale = z_scale([volume.data for volume in maps.values()])
    drawn = []
    for name, volume in maps.items():
        cut = peak(volume, two_sided=True)
        alt = f"z map of the contrast {name}, slices through its strongest voxel."
        picture = draw_map(volume, *backdrop(run, volume), cut, scale, alt)
        data = _source(run, name, "GLM")
        shown = gallery.add(f"{run.run_id}_contrast-{name}_z", picture, data=data)
        drawn.append((name, in_mm(volume, cut), shown))
    return drawn


def backdrop(run: RunResults, like: Volume) -> tuple[Volume, Volume]:
    """What a map is drawn on, and what the picture is cropped to: mean image and mask.

    Either may be missing, or on another grid; what the map itself covers then takes its place.
    """
    covered = Volume((np.isfinite(like.data) & (like.data != 0)).astype(np.float32), like.affine)
    fitting = [v for v in (run.mean, run.mask, covered) if v is not None and v.data.shape == like.data.shape]
    frame = run.mask if run.mask is not None and run.mask.data.shape == like.data.shape else fitting[0]
    return fitting[0], frame


def _atom_maps(run: RunResults, setup: str, chosen: dict[str, Chosen]) -> dict[str, Volume]:
    """Maps with the sign that goes with the event: positive where a voxel follows it."""
    maps = {event: run.atom_map(setup, pick.atom, pick.sign, event) for event, pick in chosen.items()}
    return {event: volume for event, volume in maps.items() if volume is not None}


def _event_row(
    run: RunResults,
    event: str,
    columns: dict[str, Volume | None],
    scales: dict[str, Scale],
    chosen: dict[str, Chosen | None],
    gallery: Gallery,
) -> EventRow:
    through, leading = next(((name, v) for name, v in columns.items() if v is not None), ("", None))
    cut = None if leading is None else peak(leading)
    place = None if leading is None or cut is None else in_mm(leading, cut)
    cells = []
    for name, volume in columns.items():
        title = (
            "GLM" if name == "GLM" else f"{name} atom" + (f" {pick.atom}" if (pick := chosen[name]) else "")
        )
        picture, viewer = None, ""
        if (
            volume is not None
            and cut is not None
            and leading is not None
            and volume.data.shape == leading.data.shape
        ):
            alt = f"{title} map of {event} on slices through x, y, z = {place} mm."
            drawn = draw_map(volume, *backdrop(run, volume), cut, scales[name], alt)
            file = f"{run.run_id}_event-{anchor(event)}_{name.lower()}"
            picture = gallery.add(file, drawn, data=_source(run, event, name))
            if gallery.viewers and _matters(run, event, name):
                behind = backdrop(run, volume)[0]
                viewer = add_viewer(
                    gallery, f"{file}_viewer", f"{title} map of {event}", volume, behind, cut, scales[name]
                )
        cells.append(MapCell(title, picture, "not run" if volume is None else "on another grid", viewer))
    courses = _courses(run, event, chosen, gallery)
    return EventRow(event, place, through, cells, courses, any(chosen.values()), _numbers(run, event))


def _source(run: RunResults, name: str, column: str) -> str:
    """The file that has a map."""
    if column == "GLM":
        return f"glm/{run.run_id}/{name}_z.nii.gz"
    return f"decompose/{column}/{run.run_id}/maps.nii.gz"


def _matters(run: RunResults, event: str, column: str) -> bool:
    """Whether a map is worth a viewer: the GLM's, and those of atoms with a p of at most `ALPHA`.

    Of atoms that were learnt with the design it is the p of their maps that counts.
    """
    if column == "GLM":
        return True
    rows = [row for row in _numbers(run, event) if row["setup"] == column]
    return any(float(row["others_r_p" if row["learnt_with"] == "design" else "p"]) <= ALPHA for row in rows)


def _courses(run: RunResults, event: str, chosen: dict[str, Chosen | None], gallery: Gallery) -> Shown | None:
    regressor = None
    if run.design is not None and event in run.design:
        regressor = run.design[event].to_numpy(float)
    courses = {}
    for setup, pick in chosen.items():
        dictionary = run.dictionary(setup) if pick else None
        if pick and dictionary is not None and pick.atom < dictionary.shape[1]:
            courses[setup] = pick.sign * dictionary.iloc[:, pick.atom].to_numpy(float)
    if regressor is None and not courses:
        return None
    alt = f"Time course of {event} with {' and '.join(courses) or 'no'} atom."
    picture = charts.draw_time_courses(regressor, courses, run.tr, alt)
    columns = {**({} if regressor is None else {"design": regressor}), **courses}
    table = pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})
    table.insert(0, "time_s", np.arange(len(table)) * run.tr)
    return gallery.add(f"{run.run_id}_event-{anchor(event)}_courses", picture, table)


def _numbers(run: RunResults, event: str) -> list[dict[str, Any]]:
    if run.comparison is None:
        return []
    rows = primary_null(run.comparison[run.comparison["event"] == event])
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]
