"""Input from a BIDS dataset: its raw images, or those of a derivatives folder, which may stand alone."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from dca.errors import ConfigError, InputError
from dca.inputs.candidate import Candidate
from dca.inputs.entities import natural, parse_name, shortlist
from dca.inputs.paths import absolute
from dca.inputs.sidecar import Folders, chain

log = logging.getLogger(__name__)

NIFTI = (".nii.gz", ".nii")
# pybids takes seconds per ten thousand files: it shall index the BOLD images only.
IGNORE = (
    re.compile(r"^/(code|derivatives|models|sourcedata|stimuli)(/|$)"),
    re.compile(r"/\."),
    re.compile(r"/(anat|dwi|fmap)(/|$)"),
    re.compile(r"/(?![^/]*_bold\.nii(\.gz)?$)[^/]*\.[^/]*$"),
)
NOT_MAGNITUDE = ("phase", "real", "imag")  # labels of the entity part
GRID = ("space", "res")  # a mask must share them with its image


def find(config: dict[str, Any], base: Path) -> list[Candidate]:
    """List the BOLD images of a dataset with what describes them.

    Parameters
    ----------
    config : dict
        All settings; ``input.path`` and ``input.derivatives`` are used here. With the latter alone, all
        that belongs to an image is looked for in that folder.
    base : Path
        Folder that relative paths start from.

    Raises
    ------
    ConfigError
        If a folder is not set or does not exist.
    InputError
        If there are no images, or a name is not BIDS.
    """
    folders = Folders()
    if config["input"]["derivatives"] is None:
        root = _folder(config, "path", base)
        return [_raw(root, path, folders) for path in _images(root, desc=None)]
    derivatives = _folder(config, "derivatives", base)
    root = derivatives if config["input"]["path"] is None else _folder(config, "path", base)
    found = [_derived(root, derivatives, path, folders) for path in _images(derivatives, desc="preproc")]
    _tell_of_doubts(config, found, derivatives)
    return found


def _tell_of_doubts(config: dict[str, Any], found: list[Candidate], derivatives: Path) -> None:
    """Warn of what is allowed but hardly meant."""
    backend = config["preprocess"]["backend"]
    if backend != "none":
        log.warning(
            "%s: images that are preprocessed already are preprocessed again by backend %s, without their "
            "masks and confounds; set preprocess.backend: none to use them as they are",
            derivatives,
            backend,
        )
    if config["input"]["path"] is None and not any(candidate.events_file for candidate in found):
        log.warning(
            "%s: holds no events.tsv, so all runs count as rest; if there was a task, name the raw dataset "
            "in input.path",
            derivatives,
        )


def _folder(config: dict[str, Any], key: str, base: Path) -> Path:
    given = config["input"][key]
    if given is None:
        raise ConfigError(f"input.{key}", "is not set", "name the folder of the BIDS dataset")
    folder = absolute(given, base)
    if not folder.is_dir():
        raise ConfigError(f"input.{key}", f"{folder} is not a folder", "check the path")
    return folder


def _images(root: Path, desc: str | None) -> list[Path]:
    """Paths of the BOLD images of magnitude with the given desc label, in natural order."""
    from bids import BIDSLayout, BIDSLayoutIndexer  # half a second, and only this source needs it

    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=list(IGNORE))
    layout = BIDSLayout(root, validate=False, indexer=indexer)
    paths = [Path(name) for name in layout.get(suffix="bold", return_type="filename")]
    # pybids searches entities in the whole path and would take them from /data/task-x/ as well.
    named = {path: _entities(root, path) for path in paths}
    kept = {path for path, own in named.items() if own.get("desc") == desc}
    pattern = f"*{'' if desc is None else f'_desc-{desc}'}_bold.nii.gz"
    if not kept:
        others = f" ({len(paths)} other BOLD images, e.g. {paths[0].name})" if paths else ""
        raise InputError(
            root,
            f"holds no images sub-<label>/[ses-<label>/]func/{pattern}{others}",
            "check input.path and input.derivatives",
        )
    images = {path for path in kept if named[path].get("part") not in NOT_MAGNITUDE}
    if len(images) < len(kept):
        log.warning("%s: %d phase or complex images are left out", root, len(kept) - len(images))
    _tell_without_images(root, {named[path]["sub"] for path in images})
    return sorted(images, key=lambda path: natural(str(path.relative_to(root))))


def _entities(root: Path, path: Path) -> dict[str, str]:
    entities, *_ = parse_name(path)
    folder = path.relative_to(root).parts[0]
    if folder != f"sub-{entities.get('sub')}":
        raise InputError(
            path,
            f"lies in folder {folder}, which is not that of its subject",
            "name the folder that holds the sub-<label> folders, and files after their subject",
        )
    return entities


def _tell_without_images(root: Path, subjects: set[str]) -> None:
    present = {path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir()}
    if present - subjects:
        bare = sorted(present - subjects, key=natural)
        log.warning("%s: %d subject(s) without BOLD images: %s", root, len(bare), shortlist(bare))


def _raw(root: Path, path: Path, folders: Folders) -> Candidate:
    entities, *_ = parse_name(path)
    above = chain(root, path.parent)
    return Candidate(
        entities=entities,
        bold=path,
        events_file=folders.nearest(above, entities, ["events"], [".tsv"]),
        sidecars=tuple(folders.applying(above, entities, ["bold"], [".json"])),
    )


def _derived(root: Path, derivatives: Path, path: Path, folders: Folders) -> Candidate:
    """Find a preprocessed image's files: events and timing may be left in the raw dataset."""
    entities, *_ = parse_name(path)
    own = chain(derivatives, path.parent)
    raw = chain(root, root / path.parent.relative_to(derivatives))
    mask = folders.nearest([path.parent], {**entities, "desc": "brain"}, ["mask"], NIFTI)
    if mask and any(parse_name(mask)[0].get(key) != entities.get(key) for key in GRID):
        mask = None
    sidecars = [folders.applying(above, entities, ["bold"], [".json"]) for above in (raw, own)]
    return Candidate(
        entities=entities,
        bold=path,
        mask=mask,
        events_file=folders.nearest(raw, entities, ["events"], [".tsv"])
        or folders.nearest(own, entities, ["events"], [".tsv"]),
        confounds=folders.nearest(
            [path.parent], {**entities, "desc": "confounds"}, ["timeseries", "regressors"], [".tsv"]
        ),
        sidecars=tuple(sidecars[0] + sidecars[1]),
    )
