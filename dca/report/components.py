"""All atoms of a run's dictionaries, as one sheet of small maps and one file of numbers per setup."""

from __future__ import annotations

import base64
import io
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image
from scipy import sparse

from dca.compare.pcc import correlate
from dca.decompose.courses import variance_explained
from dca.decompose.result import COEFFICIENTS, DICTIONARY, read_coefficients
from dca.errors import InputError
from dca.report.gallery import Data, Gallery
from dca.report.results import RunResults
from dca.report.scales import MAP_THRESHOLD, Scale
from dca.report.slices import Sections, Volume, in_mm, peak
from dca.signals import Shard

HEIGHT = 64  # pixels of a small map
COLUMNS = 20  # small maps in a row of the sheet
MOST_ROWS = 16000 // HEIGHT  # WebP has at most 16,383 pixels to a side
HIGH_PERCENT = 99.0  # of an atom's coefficients, where its colours end
QUALITY = 80  # of WebP: the sheet of 400 atoms stays below a megabyte


def add_components(run: RunResults, setup: str, gallery: Gallery) -> Data | None:
    """Put a setup's sheet and numbers into the gallery; None where it was not decomposed.

    Parameters
    ----------
    run : RunResults
    setup : str
    gallery : Gallery
    """
    folder = f"decompose/{setup}/{run.run_id}"
    dictionary = run.dictionary(setup)
    if dictionary is None or run.signals is None:
        return None
    shape = (dictionary.shape[1], run.signals["voxels"])
    coefficients = run.folder.read(
        f"{folder}/{COEFFICIENTS}", lambda path: read_coefficients(path.parent, shape)
    )
    if coefficients is None:
        return None
    if len(dictionary) != run.signals["length"]:
        problem = f"has {len(dictionary)} rows, the run has {run.signals['length']} volumes"
        table = run.folder.root / folder / DICTIONARY
        run.folder.note(InputError(table, problem, "run `decompose` again for this run"))
        return None
    name = f"{run.run_id}_{setup}_components"
    maps = _Maps(run, coefficients)
    sheet = gallery.add_image(f"{name}.webp", maps.sheet())
    atoms = dictionary.to_numpy(np.float64)
    numbers = component_numbers(run, setup, atoms, coefficients)
    with Shard(run.folder.root / f"signals/{run.run_id}.h5") as shard:
        variance = variance_explained(shard, atoms, coefficients)
    numbers["variance"] = [float(f"{share:.4g}") for share in 100 * variance]
    return gallery.add_data(name, {"sheet": sheet, **maps.layout, **numbers})


def component_numbers(
    run: RunResults, setup: str, atoms: np.ndarray, coefficients: sparse.csr_array
) -> dict[str, Any]:
    """What the browser sorts by and draws.

    Parameters
    ----------
    run : RunResults
    setup : str
    atoms : ndarray, shape (T, K)
    coefficients : csr_array, shape (K, N)

    Returns
    -------
    dict
        ``pcc``, ``p`` and ``corrected`` (p over all atoms) by event and atom, ``energy`` (per cent of the
        squared coefficients of all atoms), ``frequency`` (Hz, where the spectrum is largest), ``voxels``
        and, of them, those ``below`` zero;
        ``courses`` and ``design`` as base64 of int8, each series scaled to ±127.
    """
    design = run.design
    events = [event for event in run.events if design is not None and event in design]
    regressors = np.empty((len(atoms), 0)) if design is None else design[events].to_numpy(np.float64)
    if len(regressors) != len(atoms):
        events, regressors = [], np.empty((len(atoms), 0))
    atom = np.repeat(np.arange(atoms.shape[1]), np.diff(coefficients.indptr))
    squares = np.bincount(atom, coefficients.data.astype(np.float64) ** 2, minlength=atoms.shape[1])
    below = np.bincount(atom[coefficients.data < 0], minlength=atoms.shape[1])
    return {
        "setup": setup,
        "atoms": atoms.shape[1],
        "length": len(atoms),
        "tr": run.tr,
        "events": events,
        "design": pack(regressors),
        "courses": pack(atoms),
        "pcc": [[round(float(r), 4) for r in row] for row in correlate(atoms, regressors)],
        "p": [_p_values(run, setup, event, "p", atoms.shape[1]) for event in events],
        "corrected": [_p_values(run, setup, event, "p_corrected", atoms.shape[1]) for event in events],
        "energy": [round(float(e), 4) for e in 100 * squares / (squares.sum() or 1)],
        "frequency": [round(float(f), 5) for f in strongest_frequency(atoms, run.tr)],
        "voxels": np.diff(coefficients.indptr).tolist(),
        "below": below.tolist(),
    }


def strongest_frequency(atoms: np.ndarray, tr: float) -> np.ndarray:
    """Frequency in Hz at which the power spectrum of each column is largest; 0 of a flat one."""
    power = np.abs(np.fft.rfft(atoms - atoms.mean(axis=0), axis=0)) ** 2
    return np.fft.rfftfreq(len(atoms), tr)[power.argmax(axis=0)]


def pack(columns: np.ndarray) -> str:
    """Columns as base64 of int8, one after the other, each scaled to ±127."""
    largest = np.abs(columns).max(axis=0, initial=0)
    scaled = 127 * columns / np.where(largest > 0, largest, 1)
    return base64.b64encode(np.rint(scaled).astype(np.int8).T.tobytes()).decode("ascii")


def _p_values(run: RunResults, setup: str, event: str, column: str, atoms: int) -> list[float | None]:
    """One p of every atom; None where the comparison was not run, or was of another dictionary."""
    found: list[float | None] = [None] * atoms
    if run.judged_atoms is not None:
        rows = run.judged_atoms
        rows = rows[(rows["setup"] == setup) & (rows["event"] == event)].dropna(subset=[column])
        if not rows["atom"].isin(range(atoms)).all():
            table = run.folder.root / f"compare/atoms/{run.run_id}.tsv"
            problem = f"names atoms that are not among the {atoms} of {setup}"
            run.folder.note(InputError(table, problem, "run `compare` again for this run"))
            return found
        for atom, p in zip(rows["atom"], rows[column], strict=True):
            found[int(atom)] = float(f"{p:.4g}")
    return found


class _Maps:
    """Small maps of all atoms, each on the planes through its strongest voxel."""

    def __init__(self, run: RunResults, coefficients: sparse.csr_array) -> None:
        self.coefficients = coefficients
        with Shard(run.folder.root / f"signals/{run.run_id}.h5") as shard:
            self.voxel, self.shape, affine = shard.voxel, shard.shape, shard.affine
        self._turn = nib.io_orientation(affine)
        covered = np.zeros(self.shape, np.float32)
        covered.ravel()[self.voxel] = 1
        canonical = self._canonical(covered)
        turned = affine @ nib.orientations.inv_ornt_aff(self._turn, self.shape)
        like = Volume(canonical, turned)
        mean = run.mean if run.mean is not None and run.mean.data.shape == canonical.shape else like
        self.sections = Sections(mean, like, HEIGHT)
        self.layout: dict[str, Any] = {}

    def sheet(self) -> bytes:
        """WebP with all maps, row by row; fills `layout`."""
        count = self.coefficients.shape[0]
        height, width = self.sections.size
        columns = min(max(COLUMNS, -(-count // MOST_ROWS)), count)
        rows = -(-count // columns)
        image = np.zeros((rows * height, columns * width, 3), np.uint8)
        limits, places = [], []
        for atom in range(count):
            volume, limit = self._volume(atom)
            cut = peak(volume, two_sided=True)
            top, left = (atom // columns) * height, (atom % columns) * width
            scale = Scale(limit, MAP_THRESHOLD * limit, "coefficient")
            image[top : top + height, left : left + width] = self.sections.picture(volume.data, cut, scale)
            limits.append(float(f"{limit:.3g}"))
            places.append(in_mm(volume, cut))
        packed = io.BytesIO()
        Image.fromarray(image).save(packed, format="webp", quality=QUALITY, method=2)
        self.layout.update(
            columns=columns, rows=rows, aspect=round(width / height, 4), limit=limits, place=places
        )
        return packed.getvalue()

    def _volume(self, atom: int) -> tuple[Volume, float]:
        used = slice(self.coefficients.indptr[atom], self.coefficients.indptr[atom + 1])
        values = self.coefficients.data[used]
        data = np.zeros(self.shape, np.float32)
        data.ravel()[self.voxel[self.coefficients.indices[used]]] = values
        high = float(np.percentile(np.abs(values), HIGH_PERCENT)) if values.size else 0.0
        return Volume(self._canonical(data), self.sections.affine), high if high > 0 else 1.0

    def _canonical(self, data: np.ndarray) -> np.ndarray:
        return nib.apply_orientation(data, self._turn)
