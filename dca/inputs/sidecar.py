"""Which files describe an image: BIDS' inheritance principle."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dca.errors import InputError
from dca.files import stem
from dca.inputs.entities import Entities, parse_name

Named = tuple[dict[str, str], str, str, Path]  # entities, suffix, extension, path


class Folders:
    """BIDS-named files by folder; each folder is read once."""

    def __init__(self) -> None:
        self._named: dict[Path, list[Named]] = {}

    def __getitem__(self, folder: Path) -> list[Named]:
        if folder not in self._named:
            self._named[folder] = _scan(folder)
        return self._named[folder]

    def applying(
        self, chain: Sequence[Path], entities: Entities, suffixes: Sequence[str], extensions: Sequence[str]
    ) -> list[Path]:
        """Files that apply to an image, the most general first.

        A file applies if it lies in a folder of the chain, has one of the suffixes and extensions,
        and no entity that the image lacks or has otherwise (inheritance principle of BIDS 1.9).

        Parameters
        ----------
        chain : sequence of Path
            Folders from the dataset's root to that of the image.
        entities : mapping
            Those of the image.
        suffixes, extensions : sequence of str
            E.g. ``["bold"]``, ``[".json"]``.
        """
        found = []
        for depth, folder in enumerate(chain):
            for own, suffix, extension, path in self[folder]:
                if suffix in suffixes and extension in extensions and own.items() <= entities.items():
                    found.append((depth, len(own), path))
        return [path for *_, path in sorted(found)]

    def nearest(
        self, chain: Sequence[Path], entities: Entities, suffixes: Sequence[str], extensions: Sequence[str]
    ) -> Path | None:
        """Return the most specific file that applies to an image, if any.

        Raises
        ------
        InputError
            If two of them are equally specific.
        """
        found = self.applying(chain, entities, suffixes, extensions)
        if len(found) > 1:
            last, rival = found[-1], found[-2]
            if last.parent == rival.parent and len(parse_name(last)[0]) == len(parse_name(rival)[0]):
                raise InputError(
                    last, f"and {rival.name} describe the same image", "keep one of them, or name them apart"
                )
        return found[-1] if found else None


def describing(bold: Path, folders: Folders | None = None) -> list[Path]:
    """JSON files of an image, the most general first: inherited ones in a BIDS dataset, and its own."""
    folders = folders or Folders()
    try:
        entities, suffix, _ = parse_name(bold)
    except InputError:  # any name is welcome in a manifest
        found = []
    else:
        above = chain(dataset_root(bold) or bold.parent, bold.parent)
        found = folders.applying(above, entities, [suffix], [".json"])
    own = bold.with_name(f"{stem(bold)}.json")
    return found if own in found or not own.exists() else [*found, own]


def chain(root: Path, folder: Path) -> list[Path]:
    """Folders from `root` down to `folder`, both included."""
    steps = folder.relative_to(root).parts
    return [root.joinpath(*steps[:depth]) for depth in range(len(steps) + 1)]


def dataset_root(path: Path) -> Path | None:
    """Nearest folder above a file that holds a dataset_description.json."""
    return next((f for f in path.parents if (f / "dataset_description.json").is_file()), None)


def _scan(folder: Path) -> list[Named]:
    try:
        # Not is_file: a dangling link (git-annex content not fetched) must be found, then refused.
        names = [entry.name for entry in os.scandir(folder) if not entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise InputError(folder, "cannot be read (permission denied)", "change its permissions") from error
    named: list[Named] = []
    for name in names:
        try:
            named.append((*parse_name(name), folder / name))
        except InputError:
            continue  # not a BIDS name, so nothing that describes an image
    return named
