"""Every command line, as FSL's own usage texts have it.

mcflirt -in <infile> [-out -refvol -mats -plots -rmsabs -rmsrel -spline_final]
bet <input> <output> [-f <fraction> -m -R]
fast [-t <1 T1, 2 T2, 3 PD> -n <classes> -b --nopve -o <base> -S <channels>] <file>
susan <input> <bt> <dt> <dim> <use_median> <n_usans> [<usan1> <bt1>] <output>
fslmaths <first_input> [operations and inputs] <output>
fslsplit <input> [base] -t;  fslmerge -t <output> <files>;  fslroi <input> <output> <tmin> <tsize>
flirt -in <inputvol> -ref <refvol> -out <outputvol> -omat <matrix> [-dof <n>]
epi_reg --epi=<EPI> --t1=<head> --t1brain=<brain> --out=<base> [--noclean]
fnirt --ref= --in= --aff= --config= --cout= --iout= --logout=
convert_xfm -omat <outmat_AtoC> -concat <mat_BtoC> <mat_AtoB>
convertwarp --ref= --out= [--premat= --warp1= --midmat= --warp2= --postmat= --rel --abs --relout]
applywarp --in= --ref= --out= --warp= [--interp=<nn,trilinear,sinc,spline> --rel]
gradient_unwarp.py <infile> <outfile> <vendor> -g <coefficients> -n
feat <design.fsf>
"""

from pathlib import Path

import pytest

from dca.preprocess.fsl import brain, feat, gradient, intensity, interfaces, motion, register, resample
from dca.preprocess.fsl.interfaces import fsl

A, B, C, OUT = (Path(f"{name}.nii.gz") for name in ("a", "b", "c", "out"))
M, N = Path("m.mat"), Path("n.mat")
LINES = {
    "mcflirt": (
        lambda: motion.mcflirt(A, OUT, 142),
        "mcflirt -in a.nii.gz -spline_final -out out.nii.gz -refvol 142 -mats -plots -rmsabs -rmsrel",
    ),
    "mean": (
        lambda: interfaces.temporal_mean(A, OUT),
        "fslmaths a.nii.gz -Tmean out.nii.gz",
    ),
    "bet of the EPI": (lambda: brain.bet(A, OUT), "bet a.nii.gz out.nii.gz -f 0.30 -m"),
    "bet of the T1w": (
        lambda: brain.anatomical_bet(A, OUT),
        "bet a.nii.gz out.nii.gz -R",
    ),
    "fast": (
        lambda: brain.fast(A, Path("base")),
        "fast -t 2 --nopve -n 3 -o base -b -S 1 {here}/a.nii.gz",
    ),
    "bias": (lambda: intensity.divide(A, B, OUT), "fslmaths a.nii.gz -div b.nii.gz out.nii.gz"),
    # The kernel is given as sigma: 6 mm FWHM / 2.3548
    "susan": (
        lambda: intensity.susan(A, B, OUT, 750.5, 6.0),
        "susan a.nii.gz 750.5000000000 2.5479654009 3 1 1 b.nii.gz 750.5000000000 {here}/out.nii.gz",
    ),
    "grand mean": (lambda: intensity.multiply(A, 12.5, OUT), "fslmaths a.nii.gz -mul 12.5 out.nii.gz"),
    "high-pass": (
        lambda: intensity.bandpass(A, 69.4444444444, B, OUT),
        "fslmaths a.nii.gz -bptf 69.44444444 -1 -add b.nii.gz out.nii.gz",
    ),
    "flirt": (
        lambda: register.flirt(A, B, Path("out.mat"), 12),
        "flirt -in a.nii.gz -ref b.nii.gz -out out.nii.gz -omat out.mat -dof 12",
    ),
    "epi_reg": (
        lambda: register.epi_reg(A, B, C, Path("base")),
        "epi_reg --noclean --epi=a.nii.gz --t1=b.nii.gz --t1brain=c.nii.gz --out=base",
    ),
    "fnirt": (
        lambda: register.fnirt(A, B, M, Path("warp.nii.gz").absolute()),
        "fnirt --aff=m.mat --config=T1_2_MNI152_2mm --cout={here}/warp.nii.gz --in=a.nii.gz "
        "--logout={here}/a_log.txt --ref=b.nii.gz --iout={here}/warped.nii.gz",
    ),
    "convert_xfm": (
        lambda: register.concatenate(M, N, Path("out.mat")),
        "convert_xfm -omat out.mat -concat n.mat m.mat",
    ),
    "matrix to warp": (
        lambda: register.matrix_warp(A, M, OUT),
        "convertwarp --ref=a.nii.gz --relout --premat=m.mat --out=out.nii.gz",
    ),
    "two warps": (
        lambda: register.join_warps(A, B, C, OUT),
        "convertwarp --ref=a.nii.gz --relout --rel --warp1=b.nii.gz --warp2=c.nii.gz --out=out.nii.gz",
    ),
    "a volume's warp": (
        lambda: resample.volume_warp(A, M, None, OUT),
        "convertwarp --ref=a.nii.gz --relout --premat=m.mat --out=out.nii.gz",
    ),
    "a volume's warp after the gradients'": (
        lambda: resample.volume_warp(A, M, B, OUT),
        "convertwarp --ref=a.nii.gz --relout --postmat=m.mat --rel --warp1=b.nii.gz --out=out.nii.gz",
    ),
    "applywarp": (
        lambda: gradient.apply_warp(A, B, C, OUT),
        "applywarp --in=a.nii.gz --ref=b.nii.gz --out=out.nii.gz --warp=c.nii.gz --interp=spline --rel",
    ),
    "split": (lambda: resample.split(A, Path("base")), "fslsplit a.nii.gz base -t"),
    "merge": (lambda: resample.merge([A, B], OUT), "fslmerge -t out.nii.gz a.nii.gz b.nii.gz"),
    "first volume": (
        lambda: gradient.first_volume(A, OUT),
        "fslroi a.nii.gz out.nii.gz 0 1",
    ),
    "gradient_unwarp": (
        lambda: gradient.gradient_unwarp(A, OUT, Path("coeff.grad"), "siemens"),
        "gradient_unwarp.py a.nii.gz out.nii.gz siemens -g coeff.grad -n",
    ),
    "absolute to relative": (
        lambda: gradient.relative_warp(A, B, OUT),
        "convertwarp --ref=a.nii.gz --abs --relout --warp1=b.nii.gz --out=out.nii.gz",
    ),
    "feat": (lambda: feat.feat(M), "feat m.mat"),
}


@pytest.mark.parametrize("name", LINES)
def test_the_command_line_is_the_documented_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (A, B, C, M, N):
        path.touch()
    make, expected = LINES[name]
    line = make().cmdline
    here = f"{tmp_path}/"
    assert line.replace(here, "") == expected.replace("{here}/", "")


def test_nipype_asks_no_server(tmp_path, monkeypatch):
    import etelemetry

    def refuse(*arguments, **options):
        raise AssertionError("asked for a version over the network")

    monkeypatch.setattr(etelemetry, "check_available_version", refuse)
    monkeypatch.chdir(tmp_path)
    A.touch()
    fsl.BET(in_file=A, out_file=OUT)
