"""What the model makes of a run: signals beside their reconstructions, and the features of some voxels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dca.errors import InputError
from dca.features import Features
from dca.files import read_json, read_tsv
from dca.report.feature_charts import Example, draw_features, draw_reconstructions
from dca.report.gallery import Gallery, Shown
from dca.report.results import RunResults

SAMPLE = 300  # voxels whose features are shown


@dataclass(frozen=True)
class ModelView:
    """The pictures of a run's features; None where they were not made.

    Attributes
    ----------
    reconstructions, features : Shown or None
    voxels : int
        How many the examples were chosen from.
    shown : int
        How many voxels' features are shown.
    """

    reconstructions: Shown | None
    features: Shown | None
    voxels: int
    shown: int


def show_model(run: RunResults, gallery: Gallery) -> ModelView:
    """Draw what the model makes of a run."""
    examples = run.folder.read(f"features/{run.run_id}_reconstruction.tsv", _read_examples)
    codes = run.folder.read(f"features/{run.run_id}.h5", _read_codes)
    reconstructions = features = None
    voxels = 0
    if examples is not None:
        table, chosen, voxels = examples
        alt = f"Signal and reconstruction of the best, median and worst of {voxels} voxels of {run.run_id}."
        picture = draw_reconstructions(table["time_s"].to_numpy(float), chosen, alt)
        reconstructions = gallery.add(f"{run.run_id}_reconstructions", picture, table)
    if codes is not None:
        alt = f"Features of {len(codes)} voxels of {run.run_id} less their mean, a row per voxel."
        # What all voxels have in common would hide what tells them apart; the dictionary leaves it out too.
        features = gallery.add(
            f"{run.run_id}_features",
            draw_features(codes - codes.mean(axis=0), alt),
            data=f"features/{run.run_id}.h5 (its first rows)",
        )
    return ModelView(reconstructions, features, voxels, 0 if codes is None else len(codes))


def _read_examples(path: Path) -> tuple[pd.DataFrame, list[Example], int]:
    table, sidecar = read_tsv(path), path.with_suffix(".json")
    said = read_json(sidecar)
    chosen = []
    try:
        for name in (name for name in table if f"{name}_model" in table):
            x, y, z = (round(mm) for mm in said[name]["position_mm"])
            title = f"{name}: r = {said[name]['r']:.3f} at {x}, {y}, {z} mm".replace("-", "−")
            chosen.append(Example(title, table[name].to_numpy(float), table[f"{name}_model"].to_numpy(float)))
        return table, chosen, int(said["median"]["voxels"])
    except (KeyError, TypeError, ValueError) as error:
        problem = "lacks r, position_mm or voxels of an example"
        raise InputError(sidecar, problem, "run `features` again for this run") from error


def _read_codes(path: Path) -> np.ndarray:
    with Features(path) as features:  # rows are in random order
        return features.read(0, min(SAMPLE, features.n_voxels))
