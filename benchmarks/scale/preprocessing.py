"""What backend none does with a run: link, mask, mean, confounds, summary and figures."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from dca.cli import main
from scale.run import TR, Options, measure, table


def preprocess_run(folder: Path) -> None:
    """Preprocess the run, as the command does."""
    settings = folder / "none.json"  # which is YAML too
    settings.write_text(json.dumps({"preprocess": {"backend": "none"}}))
    files = [str(folder / "bold.nii.gz"), str(folder / "preprocessed"), "--mask", str(folder / "mask.nii.gz")]
    if main(["preprocess", *files, "--config", str(settings), "--tr", str(TR)]):
        raise SystemExit("dca preprocess failed")


def preprocess(options: Options) -> pd.DataFrame:
    """Time and memory of one run, and the disk that its results take."""
    found = table({"backend none": measure(preprocess_run, options.folder, 1)}, options.run_mb())
    files = [path for path in (options.folder / "preprocessed").rglob("*") if not path.is_symlink()]
    stored = sum(path.stat().st_size for path in files if path.is_file())
    return found.drop(columns="ratio").assign(disk_mb=round(stored / 1e6, 1))
