"""One simulated study: shards of its runs with their truth, and models trained on them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dca.compare.nulls import Null, make_nulls
from dca.config import load
from dca.features import encode
from dca.files import read_json, write_json
from dca.inputs.events import read_events
from dca.preprocess.highpass import highpass
from dca.preprocess.mask import brain_mask
from dca.preprocess.motion import correct_motion
from dca.signals import Shard, extract
from dca.simulate import Scenario, layout, simulate_dataset

HIGHPASS_S = 100
# One canonical response everywhere, no artefacts: here a linear model is the right one.
LINEAR: Mapping[str, Any] = {"vary_response": False, "adaptation": 0.0, "artefacts": False}
# What a linear model cannot do, one switch at a time; the sizes of docs/simulation.md.
SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "response": {"vary_response": True, "response_spread": 1.5},
    "adaptation": {"adaptation": 2.25, "adaptation_spread": 0.4},
    "timing": {"timing_s": 1.0},
    "artefacts": {"artefacts": True, "artefact_rate": 2.0, "artefact_spread": 0.7, "bursts": 0.5},
}
VARIED = {name: value for switch in SWITCHES.values() for name, value in switch.items()}
SUBJECTS = {"varied-3": 3, "varied-12": 12}  # in place of the usual number
SCENARIOS: Mapping[str, Mapping[str, Any]] = {
    "linear": LINEAR,
    **{name: {**LINEAR, **switch} for name, switch in SWITCHES.items()},
    "varied": VARIED,
    **dict.fromkeys(SUBJECTS, VARIED),
}


@dataclass(frozen=True)
class Size:
    """How large a study is.

    Attributes
    ----------
    subjects : int
    voxel_mm : float
    volumes : int
    atoms : int
        K of the dictionaries.
    components : int
        Of nilearn's group methods, and of the group's principal components.
    surrogates : int
    passes : float
        Of dictionary learning.
    threads : int
    """

    subjects: int = 6
    voxel_mm: float = 8.0
    volumes: int = layout.VOLUMES
    atoms: int = 100
    components: int = 40
    surrogates: int = 300
    passes: float = 8
    threads: int = 2


@dataclass(frozen=True)
class Model:
    """A network and how it is trained.

    Attributes
    ----------
    section : mapping
        ``model`` of the configuration, as far as it differs from the defaults.
    train : mapping
        The same of ``train``.
    folds : int
        Parts that the subjects are dealt into, one model for each, which has not seen them; 1: one model,
        which has seen all.
    """

    section: Mapping[str, Any]
    train: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 1


@dataclass(frozen=True)
class Key:
    """What tells one study from another.

    Attributes
    ----------
    scenario : str
        Of `SCENARIOS`.
    activation : float
        Factor on the task's response, which sets the signal-to-noise ratio.
    seed : int
    """

    scenario: str
    activation: float
    seed: int

    @property
    def name(self) -> str:
        """For a folder."""
        return f"{self.scenario}_{self.activation:g}_{self.seed}"


class Study:
    """One study; what is made stays in its folder, so that an interrupted benchmark goes on there.

    What was made with other settings, or by another revision, is made anew.

    Parameters
    ----------
    key : Key
    size : Size
    work : Path
        Where the folders of studies are.
    revision : str
        Of the repository.

    Attributes
    ----------
    tr : float
        Seconds.
    truth : bool
        Whether the true maps are known.
    """

    tr, truth = layout.TR, True

    def __init__(self, key: Key, size: Size, work: Path, revision: str = "") -> None:
        size = replace(size, subjects=SUBJECTS.get(key.scenario, size.subjects))
        self.key, self.size, self.revision, self.folder = key, size, revision, work / key.name
        # Threads change nothing that is made.
        sizes = {name: value for name, value in asdict(size).items() if name != "threads"}
        what = {"revision": revision, "size": sizes, "scenario": self._source()}
        record = self.folder / "record.json"
        if not _is_of(record, what):
            if self.folder.exists():
                self.remove()
            self._make()
            write_json(record, what)

    @property
    def labels(self) -> list[str]:
        """Of the subjects."""
        return layout.subject_labels(self.size.subjects)

    @property
    def scenario(self) -> Scenario:
        """Settings of the simulation."""
        options = SCENARIOS[self.key.scenario]
        return Scenario(
            voxel_mm=self.size.voxel_mm, volumes=self.size.volumes, activation=self.key.activation, **options
        )

    def shard_path(self, label: str) -> Path:
        """Shard of a subject."""
        return self.folder / f"{layout.run_name(label)}.h5"

    def _source(self) -> Any:
        """What the study is made of, for its record."""
        return asdict(self.scenario)

    def _make(self) -> None:
        """Simulate, then make the shards. Only these and the truth stay."""
        simulate_dataset(self.folder, self.size.subjects, self.key.seed, self.scenario, progress=False)
        for label in self.labels:
            bold = layout.bold_path(self.folder, label)
            self._make_shard(bold, label, layout.truth_mask_path(self.folder, label))
            bold.unlink()

    def _make_shard(self, bold: Path, label: str, mask: Path | None) -> None:
        """Correct motion, filter, extract; without a mask, what `brain_mask` finds."""
        with tempfile.TemporaryDirectory() as scratch:
            moved, filtered, mean, brain = (
                Path(scratch, f"{name}.nii.gz") for name in ("moved", "filtered", "mean", "mask")
            )
            correct_motion(bold, moved, Path(scratch, "motion.tsv"), mean, threads=self.size.threads)
            highpass(moved, filtered, tr=self.tr, highpass_s=HIGHPASS_S, threads=self.size.threads)
            if mask is None:
                brain_mask(mean, brain)
            extract(
                filtered,
                mask or brain,
                self.shard_path(label),
                run_id=layout.run_name(label),
                subject=label,
                tr=self.tr,
                space=None,
                seed=self.key.seed,
                preprocessing={"motion": True, "highpass_s": HIGHPASS_S},
            )

    def weights(self, label: str, shard: Shard) -> dict[str, np.ndarray]:
        """True weights of every event at the rows of a shard, float32, shape (N,)."""
        images = {
            event: nib.nifti1.load(layout.truth_weights_path(self.folder, label, event))
            for event in sorted(layout.EVENTS)
        }
        return {e: image.get_fdata(dtype=np.float32).ravel()[shard.voxel] for e, image in images.items()}

    def _events(self) -> Path:
        return layout.events_path(self.folder, self.labels[0])

    @cached_property
    def nulls(self) -> dict[str, Null]:
        """Surrogates of the design, which all subjects share."""
        events = read_events(self._events(), self.size.volumes * self.tr)
        return make_nulls(
            events,
            self.size.volumes,
            self.tr,
            hrf="spm",
            highpass_s=HIGHPASS_S,
            count=self.size.surrogates,
            rng=np.random.default_rng(self.key.seed),
        )

    def model(self, name: str, model: Model, label: str) -> Path:
        """Folder of the model for a subject; an interrupted training of the same model goes on."""
        from dca.model.architecture import Architecture
        from dca.train import TrainSettings, train

        labels = self.labels
        if model.folds > 1:
            fold = labels.index(label) % model.folds
            name, labels = f"{name}_{fold}", [x for i, x in enumerate(labels) if i % model.folds != fold]
        folder, defaults = self.folder / f"model_{name}", load()
        section = defaults["model"] | dict(model.section)
        settings = defaults["train"] | {"mode": "single"} | dict(model.train)
        architecture = Architecture.from_config(section, self.size.volumes)
        what = {"model": architecture.to_dict(), "train": settings, "subjects": labels}
        record = self.folder / f"model_{name}.json"
        if not _is_of(record, what):
            shutil.rmtree(folder, ignore_errors=True)
            for subject in self.labels:
                self._features_path(name, subject).unlink(missing_ok=True)
            write_json(record, what)
        if not (folder / "summary.json").is_file():
            train(
                [self.shard_path(label) for label in labels],
                [],
                folder,
                architecture,
                TrainSettings.from_config(settings),
                self.key.seed,
                threads=self.size.threads,
                targets=self.targets(labels) if settings["target"] == "others" else (),
            )
        return folder / "model"

    def targets(self, labels: Sequence[str]) -> list[Path]:
        """What the runs of some subjects share: for each the mean series of the others at each voxel.

        All subjects of a simulation have one grid and one order of events.
        """
        from dca.signals import write_targets

        shards = [self.shard_path(label) for label in labels]
        folder = self.folder / f"targets_{'_'.join(labels)}"
        targets = [folder / shard.name for shard in shards]
        if not all(path.is_file() for path in targets):
            write_targets(dict.fromkeys(shards, self._events()), {}, folder)
        return targets

    def features(self, name: str, model: Model, label: str) -> Path:
        """Features of a subject's run."""
        folder = self.model(name, model, label)
        out = self._features_path(folder.parent.name.removeprefix("model_"), label)
        if not out.is_file():
            encode(self.shard_path(label), folder, out, threads=self.size.threads)
        return out

    def _features_path(self, name: str, label: str) -> Path:
        return self.folder / f"features_{name}_{label}.h5"

    def remove(self) -> None:
        """Delete the study's folder."""
        shutil.rmtree(self.folder)


def _is_of(record: Path, what: Mapping[str, Any]) -> bool:
    """Whether a record says that something was made so."""
    return record.is_file() and read_json(record) == what
