"""Backend ``none``: data that are preprocessed already enter as they are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.openers import Opener

from dca.errors import InputError, OutputError
from dca.files import atomic, read_json
from dca.inputs.image import open_bold
from dca.inputs.sidecar import dataset_root
from dca.preprocess.series import save_volume, volumes


def link(bold: str | Path, out_bold: str | Path, out_mean: str | Path) -> dict[str, Any]:
    """Bring a preprocessed run to its place without changing a value, and write its mean.

    Parameters
    ----------
    bold : path
        4-D image.
    out_bold : path
        Ends in ``.nii.gz``: a symbolic link to `bold` if that is compressed too, else a
        compressed copy.
    out_mean : path
        Mean over time.

    Returns
    -------
    dict
        Record of this step for the run's summary, with `made_by`.

    Raises
    ------
    ImageError
        If the image cannot be used or is damaged.
    OutputError
        If the link cannot be made.
    """
    image, source = open_bold(bold), Path(bold).resolve()
    # Also the check that the file can be read to its end.
    total = np.zeros(image.shape[:3])
    for volume in volumes(image):
        total += volume
    with atomic(out_mean) as temporary:
        save_volume(temporary, total / image.shape[3], image)
    linked = str(bold).endswith(".nii.gz")
    if linked:
        _replace_by_link(source, Path(out_bold))
    else:
        with atomic(out_bold) as temporary, open(source, "rb") as raw, Opener(str(temporary), "wb") as packed:
            shutil.copyfileobj(raw, packed, length=2**20)
    method = "symbolic link" if linked else "compressed copy"
    return {"step": "link", "method": method, "source": str(source), "made_by": made_by(Path(bold))}


def made_by(bold: Path) -> str:
    """Programs that made the BIDS derivatives which an image lies in; empty where none is named."""
    root = dataset_root(bold.absolute())
    try:
        found = root and read_json(root / "dataset_description.json")
    except (InputError, OSError):
        return ""
    if not isinstance(found, dict):
        return ""
    old = found.get("PipelineDescription")  # of BIDS before 1.4
    if found.get("DatasetType") != "derivative" and not old:
        return ""  # raw data, which some converter generated
    listed = found.get("GeneratedBy") or old
    programs = [part for part in (listed if isinstance(listed, list) else [listed]) if isinstance(part, dict)]
    named = [f"{part['Name']} {part.get('Version') or ''}".strip() for part in programs if part.get("Name")]
    return ", ".join(named)


def _replace_by_link(source: Path, out: Path) -> None:
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(source)
        temporary.replace(out)
    except OSError as error:
        problem = f"cannot be linked to {source} ({error.strerror})"
        raise OutputError(out, problem, "choose a folder you may write to") from error
