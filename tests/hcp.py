"""A tree laid out as that of HCP S1200, with small images."""

from pathlib import Path

import nibabel as nib
import numpy as np

from dca.inputs.hcp import DESIGNS

TR = 0.72


def write_hcp(
    root, subjects=("100307",), runs=("tfMRI_MOTOR_LR", "tfMRI_MOTOR_RL"), volumes=90, shape=(6, 7, 5)
):
    """Write the runs of subjects; every event of a task shows in a voxel of its own."""
    for subject in subjects:
        for number, name in enumerate(runs):
            folder = Path(root, subject, "MNINonLinear", "Results", name)
            folder.mkdir(parents=True)
            rng = np.random.default_rng([int(subject), number])
            events = write_evs(folder / "EVs", name.split("_")[1]) if name.startswith("tfMRI") else {}
            write_movement(folder / "Movement_Regressors.txt", volumes, rng)
            write_images(folder, volumes, shape, events, rng)
    return Path(root)


def write_evs(folder, task):
    """Onsets (s) by event: each occurs twice, for two seconds. Beside them lie files that are no events."""
    folder.mkdir()
    names = DESIGNS[task]
    events = {name: [2 + 4.5 * i, 2 + 4.5 * (i + len(names))] for i, name in enumerate(names)}
    for name, onsets in events.items():
        (folder / f"{name}.txt").write_text("".join(f"{onset:.3f}\t2.0\t1\n" for onset in onsets))
    everything = sorted(onset for onsets in events.values() for onset in onsets)
    (folder / "all.txt").write_text("".join(f"{onset:.3f}\t2.0\t1\n" for onset in everything))
    (folder / "Sync.txt").write_text("10.138\n")
    (folder / f"{task}_Stats.csv").write_text("ConditionName,Count\n")
    return events


def write_movement(path, volumes, rng):
    """Translations in mm, rotations in degrees, and the changes of both."""
    motion = np.cumsum(rng.normal(0, 0.02, (volumes, 6)), axis=0)
    change = np.diff(motion, axis=0, prepend=motion[:1])
    np.savetxt(path, np.hstack([motion, change]), fmt="%10.6f", delimiter="  ")


def write_images(folder, volumes, shape, events, rng):
    affine = np.array(
        [[-2.0, 0, 0, 10], [0, 2, 0, -12], [0, 0, 2, -4], [0, 0, 0, 1]]
    )  # left-handed, as FSL's
    brain = np.zeros(shape, np.uint8)
    brain[1:-1, 1:-1, 1:-1] = 1
    data = rng.normal(10_000, 50, (*shape, volumes))
    times = np.arange(volumes) * TR
    for i, onsets in enumerate(events.values()):
        on = sum(((times >= onset + 4) & (times < onset + 9)).astype(float) for onset in onsets)
        data[1 + i % 4, 1 + i // 4, 2] += 200 * on
    data *= brain[..., None]
    image = nib.Nifti1Image(data.astype(np.float32), affine)
    image.header.set_zooms((2, 2, 2, TR))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / f"{folder.name}.nii.gz")
    mask = "brainmask_fs.1.60.nii.gz" if "_7T_" in folder.name else "brainmask_fs.2.nii.gz"
    nib.save(nib.Nifti1Image(brain, affine), folder / mask)
