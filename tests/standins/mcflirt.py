"""Stand-in for mcflirt: registers by niimath."""

import subprocess
import tempfile
from pathlib import Path

import nibabel as nib
import niimath
import numpy as np
from common import Parser, load, run_as_program, save, to_fsl

from dca.preprocess.rigid import matrices_from_corrections

RADIUS_MM = 80


def register(image: nib.Nifti1Image, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """Aligned data, and matrices from each volume to the reference in FSL's coordinates."""
    data = np.asarray(image.dataobj, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder, name)) for name in ("run.nii", "reference.nii", "rows.1D", "out.nii")]
        nib.save(nib.Nifti1Image(data, image.affine), names[0])
        nib.save(nib.Nifti1Image(data[..., reference], image.affine), names[1])
        command = [niimath.bin, names[0], "-moco", "-ref", names[1], "-1Dfile", names[2], names[3]]
        subprocess.run(command, check=True, env={"FSLOUTPUTTYPE": "NIFTI", "OMP_NUM_THREADS": "1"})
        aligned = np.array(nib.load(names[3]).dataobj, dtype=np.float32)
        rows = np.loadtxt(names[2], ndmin=2)
    motion = matrices_from_corrections(rows, image.affine, image.shape[:3])
    scanner_to_fsl = to_fsl(image) @ np.linalg.inv(image.affine)
    return aligned, scanner_to_fsl @ np.linalg.inv(motion) @ np.linalg.inv(scanner_to_fsl)


def displacement(one: np.ndarray, other: np.ndarray, centre: np.ndarray) -> float:
    """Root mean square displacement between two matrices over a sphere (FMRIB report TR99MJ1)."""
    change = one @ np.linalg.inv(other) - np.eye(4)
    turn, shift = change[:3, :3], change[:3, 3] + change[:3, :3] @ centre
    return float(np.sqrt(RADIUS_MM**2 / 5 * np.trace(turn.T @ turn) + shift @ shift))


def write_motion(base: str, matrices: np.ndarray, image: nib.Nifti1Image) -> None:
    """Write matrices and displacement by the names that mcflirt gives them."""
    folder = Path(base + ".mat")
    folder.mkdir()
    for t, matrix in enumerate(matrices):
        np.savetxt(folder / f"MAT_{t:04d}", matrix, fmt="%.8f")
    centre = to_fsl(image)[:3, :3] @ ((np.array(image.shape[:3]) - 1) / 2) + to_fsl(image)[:3, 3]
    for kind, new, old in (
        ("abs", matrices, [np.eye(4)] * len(matrices)),
        ("rel", matrices[1:], matrices[:-1]),
    ):
        changes = [displacement(one, other, centre) for one, other in zip(new, old, strict=True)]
        np.savetxt(f"{base}_{kind}.rms", changes)


def main(arguments: list[str]) -> None:
    parser = Parser()
    for name in ("in", "out"):
        parser.add_argument(f"-{name}", required=True)
    parser.add_argument("-refvol", type=int, required=True)
    for name in ("mats", "plots", "rmsabs", "rmsrel", "spline_final"):
        parser.add_argument(f"-{name}", action="store_true", required=True)
    given = parser.parse_args(arguments)
    image = load(vars(given)["in"])
    aligned, matrices = register(image, given.refvol)
    save(aligned, image, given.out, image.get_data_dtype())
    write_motion(given.out, matrices, image)
    np.savetxt(given.out + ".par", np.zeros((len(matrices), 6)))  # not read: its centre is FSL's own


if __name__ == "__main__":
    run_as_program(main)
