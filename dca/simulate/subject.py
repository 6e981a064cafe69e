"""One simulated subject: its runs and the truth behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dca.files import write_json, write_tsv
from dca.simulate import layout, noise
from dca.simulate.anatomy import Anatomy, load_anatomy
from dca.simulate.fluctuations import Component, network_components, network_maps, other_components
from dca.simulate.layout import EVENTS
from dca.simulate.motion import COLUMNS as MOTION_COLUMNS
from dca.simulate.motion import PARAMETERS, Mover, draw_motion, grid_centre, matrices
from dca.simulate.paradigm import COLUMNS as EVENT_COLUMNS
from dca.simulate.paradigm import events_table
from dca.simulate.regions import Activation, draw_activation
from dca.simulate.response import (
    CANONICAL,
    Adaptation,
    Response,
    delayed,
    draw_adaptations,
    draw_responses,
    drive,
    respond,
)
from dca.simulate.scenario import Scenario, generator
from dca.simulate.stream import write_map, write_volumes

REACH = 4  # mm that the surface of the head may move per mm of motion, rotation included
GAIN_SD = 0.1  # SD of the log of a subject's overall intensity
COURSE_COLUMNS = {
    "canonical:*": "Plain boxcar of the event with SPM's canonical response, peak 1.",
    "event:*": "True response to event in region, as event:region; peak 1.",
    "component:*": "Course of a network, global signal, pulse, breathing or drift; fraction of baseline.",
}


@dataclass(frozen=True)
class Subject:
    """What all runs of one subject share."""

    index: int
    seed: int
    scenario: Scenario
    anatomy: Anatomy
    activation: Activation
    responses: dict[str, Response]
    adaptations: dict[str, Adaptation]
    networks: dict[str, np.ndarray]

    @property
    def label(self) -> str:
        """BIDS label."""
        return layout.subject_label(self.index)

    @property
    def gain(self) -> float:
        """Overall intensity of this subject's images."""
        return float(np.exp(GAIN_SD * generator(self.seed, "gain", self.index).standard_normal()))


def simulate_subject(
    folder: str | Path, index: int, seed: int, scenario: Scenario | None = None, *, progress: bool = True
) -> None:
    """Write one subject: BOLD runs with sidecars and events, and their truth.

    Subjects depend on nothing but `seed`, `index` and `scenario`, so they may be simulated in any
    order, alone or at once, with the same bytes as result.

    Parameters
    ----------
    folder : path
        The dataset.
    index : int
        Subject, counted from 0; number 0 is ``sub-01``.
    seed : int
        Seed of the dataset.
    scenario : Scenario, optional
        Default: the embedded demo.
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    ConfigError
        If the seed is negative, or runs are too short for the events.
    OutputError
        If the folder cannot be written.
    """
    scenario = scenario or Scenario()
    anatomy = load_anatomy(float(scenario.voxel_mm))
    subject = Subject(
        index=index,
        seed=seed,
        scenario=scenario,
        anatomy=anatomy,
        activation=draw_activation(anatomy, scenario, seed, index),
        responses=draw_responses(scenario, seed, index),
        adaptations=draw_adaptations(scenario, seed, index),
        networks=network_maps(anatomy),
    )
    _write_subject_truth(Path(folder), subject)
    for number, run in enumerate(layout.run_numbers(scenario.runs)):
        _simulate_run(Path(folder), subject, number, run, progress)


def _write_subject_truth(folder: Path, subject: Subject) -> None:
    """Mask, maps of events and networks, and response parameters."""
    anatomy, label = subject.anatomy, subject.label
    write_map(layout.truth_mask_path(folder, label), anatomy.brain.astype(np.uint8), anatomy.affine)
    for event in EVENTS:
        weights = anatomy.volume(subject.activation.weights(event))
        write_map(layout.truth_weights_path(folder, label, event), weights, anatomy.affine)
    path = layout.truth_networks_path(folder, label)
    maps = np.stack([anatomy.volume(weights) for weights in subject.networks.values()], axis=-1)
    write_map(path, maps, anatomy.affine)
    write_json(path.with_name(path.name.replace(".nii.gz", ".json")), {"networks": list(subject.networks)})
    parts = subject.activation.maps
    write_json(
        layout.truth_responses_path(folder, label),
        {
            "Description": "Response of region r at t s after a brief event: SPM's double gamma at "
            "(t - latency_s) / width. Its drive in a block falls by the share transient, with the time "
            "constant transient_s, and is habituation times as large in later blocks. peak: largest response "
            "as a fraction of the baseline.",
            "seed": subject.seed,
            "scenario": asdict(subject.scenario),
            "regions": {
                name: {
                    "latency_s": response.latency,
                    "width": response.width,
                    **{key: round(value, 4) for key, value in asdict(subject.adaptations[name]).items()},
                }
                for name, response in subject.responses.items()
            },
            "events": {
                event: {
                    "peak": round(subject.activation.peaks[event], 6),
                    "largest_weight": {
                        region: round(float(part.max()), 4)
                        for (name, region), part in parts.items()
                        if name == event
                    },
                }
                for event in EVENTS
            },
        },
    )


def _simulate_run(folder: Path, subject: Subject, number: int, run: int | None, progress: bool) -> None:
    """Write one run and its truth."""
    scenario, anatomy, label = subject.scenario, subject.anatomy, subject.label
    key = (subject.seed, subject.index, number)
    events = events_table(scenario, *key)
    task, table = _task_components(subject, events, delayed(events, scenario, *key))
    others = network_components(subject.networks, scenario, *key)
    others += other_components(anatomy, scenario, *key)
    for component in others:
        table[f"component:{component.name}"] = component.course
    motion, moves = draw_motion(scenario, *key)
    shape = anatomy.brain.shape
    artefacts = noise.draw_artefacts(shape[2], scenario, moves, *key)

    write_tsv(layout.events_path(folder, label, run), events, EVENT_COLUMNS)
    sidecar = {"TaskName": layout.TASK, "RepetitionTime": scenario.tr, "EchoTime": 0.033}
    write_json(layout.sidecar_path(folder, label, run), sidecar)
    write_tsv(layout.truth_timeseries_path(folder, label, run), table.round(7), COURSE_COLUMNS)
    parameters = pd.DataFrame(motion, columns=PARAMETERS).round(8)
    write_tsv(layout.truth_motion_path(folder, label, run), parameters, MOTION_COLUMNS)
    write_tsv(layout.truth_artefacts_path(folder, label, run), artefacts, noise.ARTEFACT_COLUMNS)

    path = layout.bold_path(folder, label, run)
    volumes = _volumes(subject, number, task + others, motion, artefacts)
    bar = tqdm(volumes, path.name, scenario.volumes, unit="volume", disable=not progress, leave=False)
    write_volumes(path, bar, anatomy.affine, (*shape, scenario.volumes), scenario.tr)


def _task_components(
    subject: Subject, told: pd.DataFrame, true: pd.DataFrame
) -> tuple[list[Component], pd.DataFrame]:
    """Task response to the true events as components, and the courses for the truth table."""
    scenario = subject.scenario
    sampling, courses, components = (scenario.volumes, scenario.tr), {}, []
    for event in EVENTS:
        plain = drive(told, event, scenario.duration_s, None)
        courses[f"canonical:{event}"] = respond(plain, CANONICAL, *sampling)
        for (name, region), part in subject.activation.maps.items():
            if name == event:
                course = drive(true, event, scenario.duration_s, subject.adaptations[region])
                course = respond(course, subject.responses[region], *sampling)
                courses[f"event:{event}:{region}"] = course
                components.append(Component(event, part, subject.activation.peaks[event] * course))
    return components, pd.DataFrame(courses)


def _volumes(
    subject: Subject, number: int, components: list[Component], motion: np.ndarray, artefacts: pd.DataFrame
) -> Iterator[np.ndarray]:
    """Volumes of one run in order: signal and tissue noise at rest, moved, then received."""
    scenario, anatomy = subject.scenario, subject.anatomy
    key = (subject.seed, "noise", subject.index, number)
    tissue = noise.TissueNoise(anatomy, scenario, generator(*key, 0))
    receiver = generator(*key, 1)
    baseline = anatomy.baseline * np.float32(subject.gain)
    maps = np.stack([component.map for component in components], axis=1)
    courses = np.stack([component.course for component in components], axis=1).astype(np.float32)
    mover = Mover(baseline, anatomy.affine, reach_mm=REACH * scenario.motion_mm) if motion.any() else None
    moves = matrices(motion, grid_centre(anatomy.affine, anatomy.brain.shape))
    for volume in range(scenario.volumes):
        change = tissue()
        # Not a BLAS product: its rounding may depend on the number of threads.
        change[anatomy.brain] += np.einsum("nk,k->n", maps, courses[volume])
        image = baseline * (1 + change)
        if mover is not None:
            image = mover(image, moves[volume])
        noise.add_spikes(image, artefacts, volume)
        yield noise.receive(image, scenario, receiver)
