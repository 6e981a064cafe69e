from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dca.signals import write_shard

TR, VOLUMES, SHAPE = 2.0, 120, (5, 4, 3)
AFFINE = np.array([[-3.0, 0, 0, 40], [0, 3, 0, -60], [0, 0, 3, -20], [0, 0, 0, 1]])


def task() -> pd.DataFrame:
    onsets = np.arange(10.0, 220, 21)
    types = np.where(np.arange(len(onsets)) % 3 == 1, "tongue", "finger")
    return pd.DataFrame({"onset": onsets, "duration": 9.0, "trial_type": types})


@pytest.fixture
def make_run(tmp_path):
    """Write an image, a mask, its shard, events and confounds; the image may be filtered first."""

    def make(transform=None, length=VOLUMES, shape=SHAPE):
        rng = np.random.default_rng(3)
        noise = rng.normal(size=(*shape, VOLUMES))
        for t in range(1, VOLUMES):
            noise[..., t] += 0.4 * noise[..., t - 1]
        box = np.zeros(VOLUMES)
        for row in task().itertuples():
            if row.trial_type == "finger":
                box[int(row.onset / TR) + 3 : int((row.onset + row.duration) / TR) + 3] = 1
        noise[1, 2, 1] += 2 * box
        data = 1000 + 10 * noise + 5 * np.linspace(-1, 1, VOLUMES)
        if transform:
            data = transform(data.reshape(-1, VOLUMES).T).T.reshape(data.shape)
        data = data[..., :length].astype(np.float32)
        mask = np.ones(shape, bool)
        mask[0, 0] = False
        series = data[mask].astype(np.float64)
        order = rng.permutation(len(series))
        mean, std = series.mean(axis=1), series.std(axis=1)
        z = ((series - mean[:, None]) / std[:, None]).astype(np.float32)
        attributes = {
            "run_id": "sub-01_task-motor",
            "subject": "01",
            "tr": TR,
            "affine": AFFINE,
            "shape": shape,
            "space": "MNI152NLin6Asym",
            "seed": 0,
            "source": "bold.nii.gz",
            "mask": "mask.nii.gz",
            "source_sha256": "",
            "mask_sha256": "",
            "preprocessing": {},
            "excluded": {},
        }
        write_shard(
            tmp_path / "run.h5",
            [z[order]],
            length=length,
            voxel=np.flatnonzero(mask)[order],
            mean=mean[order],
            std=std[order],
            attributes=attributes,
        )
        motion = pd.DataFrame(
            rng.normal(size=(VOLUMES, 6)).cumsum(axis=0) / 50,
            columns=["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"],
        )
        motion.assign(framewise_displacement=np.nan).to_csv(
            tmp_path / "confounds.tsv", sep="\t", index=False, na_rep="n/a"
        )
        task().to_csv(tmp_path / "events.tsv", sep="\t", index=False)
        return SimpleNamespace(
            tr=TR,
            volumes=VOLUMES,
            affine=AFFINE,
            events=task(),
            image=nib.Nifti1Image(data, AFFINE),
            mask=nib.Nifti1Image(mask.astype(np.uint8), AFFINE),
            inside=mask,
            motion=motion,
            files=(tmp_path / "run.h5", tmp_path / "events.tsv", tmp_path / "confounds.tsv"),
            folder=tmp_path / "glm",
        )

    return make
