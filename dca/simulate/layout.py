"""Names of the files and events of a simulated dataset; light enough to plan with."""

from __future__ import annotations

from pathlib import Path

VOLUMES = 284
TR = 0.72  # s
TASK = "motor"
EVENTS = ("cue", "left-finger", "right-finger", "left-toe", "right-toe", "tongue")
TRUTH = Path("derivatives", "truth")


def subject_label(i: int) -> str:
    """Label of the i-th subject, counted from 0: ``01``, ``02``, … ``100``."""
    return f"{i + 1:02d}"


def subject_labels(subjects: int) -> list[str]:
    """Labels of the first `subjects` subjects."""
    return [subject_label(i) for i in range(subjects)]


def run_numbers(runs: int) -> list[int | None]:
    """Run entities: 1 … runs, or ``[None]`` when there is one run and its file name has none."""
    return [None] if runs == 1 else list(range(1, runs + 1))


def run_name(label: str, run: int | None = None) -> str:
    """BIDS entities of one run, which are also its ``run_id``: ``sub-01_task-motor``."""
    return f"sub-{label}_task-{TASK}" + ("" if run is None else f"_run-{run}")


def subject_folder(folder: str | Path, label: str) -> Path:
    """Folder of one subject's raw files."""
    return Path(folder, f"sub-{label}", "func")


def bold_path(folder: str | Path, label: str, run: int | None = None) -> Path:
    """BOLD image of one run."""
    return subject_folder(folder, label) / f"{run_name(label, run)}_bold.nii.gz"


def sidecar_path(folder: str | Path, label: str, run: int | None = None) -> Path:
    """JSON sidecar of the BOLD image, with its RepetitionTime."""
    return subject_folder(folder, label) / f"{run_name(label, run)}_bold.json"


def events_path(folder: str | Path, label: str, run: int | None = None) -> Path:
    """Events table of one run."""
    return subject_folder(folder, label) / f"{run_name(label, run)}_events.tsv"


def truth_folder(folder: str | Path, label: str) -> Path:
    """Folder of one subject's truth."""
    return Path(folder, TRUTH, f"sub-{label}", "func")


def truth_mask_path(folder: str | Path, label: str) -> Path:
    """Brain mask of one subject (uint8, at the position of the reference volume)."""
    return truth_folder(folder, label) / f"sub-{label}_desc-brain_mask.nii.gz"


def truth_weights_path(folder: str | Path, label: str, event: str) -> Path:
    """Spatial weights (0 to 1) of one event."""
    return truth_folder(folder, label) / f"sub-{label}_desc-{event.replace('-', '')}_weights.nii.gz"


def truth_networks_path(folder: str | Path, label: str) -> Path:
    """4-D maps of the resting networks, one volume per network."""
    return truth_folder(folder, label) / f"sub-{label}_desc-networks_weights.nii.gz"


def truth_responses_path(folder: str | Path, label: str) -> Path:
    """Latency, width and amplitude of the response of every region to every event."""
    return truth_folder(folder, label) / f"sub-{label}_desc-response_parameters.json"


def truth_timeseries_path(folder: str | Path, label: str, run: int | None = None) -> Path:
    """Time courses that made one run: events, regions, networks and global signals."""
    return truth_folder(folder, label) / f"{run_name(label, run)}_desc-truth_timeseries.tsv"


def truth_motion_path(folder: str | Path, label: str, run: int | None = None) -> Path:
    """Rigid head motion of one run, one row per volume."""
    return truth_folder(folder, label) / f"{run_name(label, run)}_desc-truth_motion.tsv"


def truth_artefacts_path(folder: str | Path, label: str, run: int | None = None) -> Path:
    """Volumes with spikes and the onsets of head jerks of one run."""
    return truth_folder(folder, label) / f"{run_name(label, run)}_desc-truth_artefacts.tsv"


def planned_runs(folder: str | Path, subjects: int, runs: int = 1) -> list[Path]:
    """BOLD images that a simulation of this size writes, in order of subject and run."""
    return [bold_path(folder, label, run) for label in subject_labels(subjects) for run in run_numbers(runs)]
