"""Small datasets on disk, and settings that point at them."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dca.config import merge, resolve

EVENTS = "onset\tduration\ttrial_type\n0\t2\tleft hand\n4\t2\ttongue\n"


@pytest.fixture
def write_bold():
    """Write a small 4-D image; the header's TR is `tr` in `unit`."""

    def write(path, volumes=10, tr=2.0, unit="sec", shape=(3, 4, 5), affine=None, data=None, dtype=np.int16):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            data = np.random.default_rng(0).integers(90, 110, (*shape, volumes))
        image = nib.Nifti1Image(
            np.asarray(data, dtype), np.diag([3, 3, 3, 1.0]) if affine is None else affine
        )
        image.header.set_xyzt_units("mm", unit)
        if image.ndim == 4:
            image.header.set_zooms((3, 3, 3, tr))
        nib.save(image, path)
        return path

    return write


@pytest.fixture
def make_dataset(tmp_path, write_bold):
    """Write a BIDS dataset: names of runs without suffix, each with image, sidecar and events."""

    def make(*names, folder=tmp_path / "data", tr=2.0, events=EVENTS, suffix="bold", **image):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
        for name in names or ("sub-01_task-motor", "sub-02_task-motor"):
            parts = name.split("_")
            steps = [part for part in parts if part.startswith(("sub-", "ses-"))]
            stem = folder.joinpath(*steps, "func", name)
            write_bold(f"{stem}_{suffix}.nii.gz", **{"tr": tr or 1.0, **image})
            if tr is not None:
                Path(f"{stem}_{suffix}.json").write_text(json.dumps({"RepetitionTime": tr}))
            if events is not None:
                Path(f"{stem}_events.tsv").write_text(events)
        return folder

    return make


@pytest.fixture(scope="session")
def defaults():
    return resolve({})


@pytest.fixture
def settings(defaults):
    """Complete settings with the given input section and others."""

    def complete(source="bids", path=None, signals=None, seed=0, **given):
        path = None if path is None else str(path)
        return merge(
            defaults, {"input": {"source": source, "path": path, **given}, "signals": signals, "seed": seed}
        )

    return complete
