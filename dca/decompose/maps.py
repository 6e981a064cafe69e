"""Maps of atoms: their coefficients put back into the brain, as one 4-D NIfTI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener
from scipy import sparse
from tqdm import tqdm

from dca.compare.pcc import best_atoms, correlate
from dca.decompose.atoms import names
from dca.decompose.result import read_coefficients, read_dictionary
from dca.errors import ConfigError, InputError
from dca.files import atomic, read_tsv, stem, write_json
from dca.signals import Shard

Choice = tuple[int, int, str | None]  # atom, sign, event

RESTING_ATOMS = 20  # maps of a run without events
UNITS = (
    "Coefficient of an atom of unit norm in the normalised series of each voxel, no unit; "
    "0 where the atom is not used, and outside the mask"
)


def write_maps(
    shard: str | Path,
    folder: str | Path,
    design: str | Path | None,
    events: Sequence[str],
    which: str,
    out: str | Path,
) -> dict[str, Any]:
    """Write maps of a run's atoms, and beside them a JSON that says which volume is which.

    Parameters
    ----------
    shard : path
        The run's shard, for voxels and grid.
    folder : path
        With the files of `dca.decompose.learn`.
    design : path or None
        ``design.tsv`` of the GLM; needed if there are events.
    events : sequence of str
        Columns of the design; none for a resting-state run.
    which : str
        ``best``: one volume per event, of the atom with the largest absolute correlation with it, turned to
        follow it; without events, the 20 atoms of most energy. ``all``: every atom, as in the dictionary.
    out : path
        Usually ``maps.nii.gz`` in `folder`: float32, on the run's grid.

    Returns
    -------
    dict
        The content of the JSON: ``units``, ``which``, ``best`` (event → ``atom``, ``index``, ``sign``,
        ``pcc``) and ``volumes``, with for each ``volume``, ``atom`` (name), ``index`` (its column in the
        dictionary, from 0), ``sign`` (what the coefficients were multiplied by) and ``event`` (the one, or
        the strongest, that it is best for; else None).

    Raises
    ------
    ConfigError
        If `which` is unknown.
    InputError
        If dictionary, coefficients or design are missing, damaged, or do not fit the run.
    ShardError
        If the shard cannot be read.
    """
    if which not in ("best", "all"):
        raise ConfigError("decompose.maps", f"is {which}", "choose best or all")
    out = Path(out)
    with Shard(shard) as signals:
        dictionary = read_dictionary(folder, signals.length)
        atoms = dictionary.shape[1]
        coefficients = read_coefficients(folder, (atoms, signals.n_voxels))
        best = _best(dictionary, design, events)
        if which == "best" and events:
            chosen: list[Choice] = [(found["index"], found["sign"], event) for event, found in best.items()]
        else:
            shown = atoms if which == "all" else min(atoms, RESTING_ATOMS)
            chosen = [(atom, 1, _strongest_event(best, atom)) for atom in range(shown)]
        _write_image(out, signals, coefficients, chosen)
    labels = names(atoms)
    volumes = [
        {"volume": number, "atom": labels[atom], "index": atom, "sign": sign, "event": event}
        for number, (atom, sign, event) in enumerate(chosen)
    ]
    card = {"units": UNITS, "which": which, "best": best, "volumes": volumes}
    write_json(out.with_name(f"{stem(out)}.json"), card)
    return card


def _best(
    dictionary: np.ndarray, design: str | Path | None, events: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Event → its best atom, the sign that makes the atom follow it, and their correlation."""
    if not events:
        return {}
    if design is None:
        raise InputError("design", "is not given, but the run has events", "run `glm` for this run first")
    table = read_tsv(design)
    missing = [event for event in events if event not in table]
    if missing:
        raise InputError(design, f"lacks the event {missing[0]}", "run `glm` again for this run")
    if len(table) != len(dictionary):
        problem = f"has {len(table)} rows, the run has {len(dictionary)} volumes"
        raise InputError(design, problem, "run `glm` again for this run")
    labels = names(dictionary.shape[1])
    found = best_atoms(correlate(dictionary, table[list(events)].to_numpy(np.float64)))
    return {
        event: {"atom": labels[atom], "index": int(atom), "sign": int(sign), "pcc": float(pcc)}
        for event, atom, sign, pcc in zip(events, *found, strict=True)
    }


def _strongest_event(best: dict[str, dict[str, Any]], atom: int) -> str | None:
    events = [event for event, found in best.items() if found["index"] == atom]
    return max(events, key=lambda event: best[event]["pcc"], default=None)


def _write_image(path: Path, shard: Shard, coefficients: sparse.csr_array, chosen: Sequence[Choice]) -> None:
    """Write volume by volume, since all maps at once need not fit into memory."""
    header = _header(shard, len(chosen))
    with atomic(path) as temporary, ImageOpener(str(temporary), "wb") as image:
        header.write_to(image)
        for atom, sign, _ in tqdm(chosen, desc=f"maps {shard.run_id}", unit="map", mininterval=1):
            used = slice(coefficients.indptr[atom], coefficients.indptr[atom + 1])
            volume = np.zeros(int(np.prod(shard.shape)), np.float32)
            volume[shard.voxel[coefficients.indices[used]]] = sign * coefficients.data[used]
            image.write(volume.reshape(shard.shape).tobytes(order="F"))


def _header(shard: Shard, volumes: int) -> nib.Nifti1Header:
    # The fourth axis counts atoms: it has no unit of time.
    shape = (*shard.shape, volumes)
    image = nib.Nifti1Image(np.broadcast_to(np.float32(0), shape), shard.affine)
    shard.label_space(image)
    image.header.set_xyzt_units("mm")
    return image.header
