"""Stand-in for feat: the pre-statistics of a design file, with the other stand-ins and the native backend."""

import os
import re
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from common import load, run_as_program, save
from mcflirt import register, write_motion

from dca.preprocess.highpass import highpass
from dca.preprocess.mask import brain_mask
from dca.preprocess.scale import scale
from dca.preprocess.smooth import smooth

# What feat_model asks for, whichever stages are run: it ends where one is missing.
MODEL = [
    *("level", "tr", "npts", "ndelete", "evs_orig", "evs_real", "evs_vox", "ncon_real", "nftests_real"),
    *("critical_z", "noise", "noisear", "temphp_yn", "templp_yn", "paradigm_hp"),
]
REGRESSOR = ["evtitle1", "deriv_yn1", "tempfilt_yn1", "ortho1.0", "shape1", "convolve1"]
SQUARE = ["skip1", "off1", "on1", "phase1", "stop1"]  # of shape 0


def settings(path: str) -> dict[str, str]:
    text = Path(path).read_text()
    pairs = re.findall(r'^set (?:fmri\(([\w.]+)\)|(feat_files)\(1\)) +"?(.*?)"?$', text, re.MULTILINE)
    return {name or files: value for name, files, value in pairs}


def trouble(design: dict[str, str]) -> str:
    """What FEAT would say of a design file, the stand-in's own limits included."""
    regressors = [*REGRESSOR, *SQUARE] if design["evs_orig"] != "0" else []
    if absent := [key for key in [*MODEL, *regressors] if key not in design]:
        return f"Can't find key fmri({absent[0]})"
    if design["shape1"] != "0" or design["convolve1"] != "0":
        return "this is not what the stand-in can do"
    if design["ncon_real"] != "0" and not float(design.get("con_real1.1", 0)):
        return "Contrast 1 is empty!"
    if design["analysis"] != "1" or design["mc"] != "1" or design["bet_yn"] != "1":
        return "this is not what the stand-in can do"
    return ""


def main(arguments: list[str]) -> None:
    for name in ("FSLTCLSH", "FSLWISH", "FSLDIR", "USER"):
        os.environ[name]  # its script is lost without
    design = settings(arguments[0])
    folder = Path(design["outputdir"] + ".feat")
    (folder / "mc").mkdir(parents=True)
    if said := trouble(design):
        (folder / "report_log.html").write_text(f"FATAL ERROR: {said}")
        return  # like FEAT, with status 0
    image = load(design["feat_files"])
    if image.shape[3] != int(design["npts"]):
        sys.exit("wrong number of volumes")
    aligned, matrices = register(image, image.shape[3] // 2)
    write_motion(str(folder / "mc" / "prefiltered_func_data_mcf"), matrices, image)
    names = ("mean_func", "mask", "0", "1", "2", "filtered_func_data")
    at = {name: folder / f"{name}.nii.gz" for name in names}
    save(aligned, image, str(at["0"]))
    save(aligned.mean(axis=3), image, str(at["mean_func"]))
    brain_mask(at["mean_func"], at["mask"])
    last = at["0"]
    if float(design["smooth"]):
        smooth(last, at["1"], fwhm_mm=float(design["smooth"]))
        last = at["1"]
    scale(last, at["mask"], at["2"])
    cutoff = float(design["paradigm_hp"]) if design["temphp_yn"] == "1" else 1e6
    highpass(at["2"], at["filtered_func_data"], tr=float(design["tr"]), highpass_s=cutoff)
    filtered = nib.load(at["filtered_func_data"])
    save(np.asarray(filtered.dataobj).mean(axis=3), image, str(at["mean_func"]))


if __name__ == "__main__":
    run_as_program(main)
