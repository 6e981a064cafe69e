import pytest
import yaml

from dca.config import ROOT, load, merge
from dca.errors import DependencyError
from dca.preprocess.fsl import install

DEFAULTS = load()["preprocess"]


def settings(**changes):
    own = {key: value for key, value in changes.items() if key in DEFAULTS["fsl"]}
    shared = {key: value for key, value in changes.items() if key not in own}
    return merge(DEFAULTS, {**shared, "fsl": own})


def program(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_fsldir_comes_first(tmp_path, monkeypatch):
    program(tmp_path / "path", "fslmaths")
    mine = program(tmp_path / "fsl" / "bin", "fslmaths")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("FSLDIR", str(tmp_path / "fsl"))
    assert install.fsl_folder() == tmp_path / "fsl"
    assert install.find("fslmaths") == str(mine)


@pytest.mark.parametrize("inside", ["bin", "share/fsl/bin"])
def test_without_fsldir_path_leads_to_it(tmp_path, monkeypatch, inside):
    found = program(tmp_path / "fsl" / inside, "fslmaths")
    monkeypatch.setenv("PATH", str(found.parent))
    monkeypatch.delenv("FSLDIR", raising=False)
    assert install.fsl_folder() == tmp_path / "fsl"
    assert install.environment()["FSLDIR"] == str(tmp_path / "fsl")


def test_scripts_find_their_interpreter_as_after_fsls_own_setup(tmp_path, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    for name in ("USER", "FSLTCLSH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FSLWISH", "/my/wish")
    found = install.environment()
    assert found["FSLTCLSH"] == str(tmp_path / "bin" / "fsltclsh") and found["FSLWISH"] == "/my/wish"
    assert found["USER"]
    monkeypatch.setenv("USER", "ada")
    assert install.environment()["USER"] == "ada"


def test_nothing_is_found_where_there_is_nothing(no_fsl):
    assert install.fsl_folder() is None
    assert install.version() == "unknown"
    assert install.missing(settings()) == ["mcflirt", "bet", "fslmaths", "fast"]


def test_version_is_that_of_the_release_or_of_the_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    assert install.version() == "unknown"
    records = tmp_path / "conda-meta"
    records.mkdir()
    for name in ("fsl-flirt-2111.2-h1.json", "fsl-bet2-2111.4-h2.json", "python-3.11-h3.json"):
        (records / name).touch()
    assert install.version() == "fsl-bet2 2111.4, fsl-flirt 2111.2"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "fslversion").write_text("6.0.7.4\n")
    assert install.version() == "6.0.7.4"


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({}, {"mcflirt", "bet", "fslmaths", "fast"}),
        ({"bias_field": False}, {"mcflirt", "bet", "fslmaths"}),
        ({"smooth_mm": 5}, {"susan"}),
        ({"registration": "affine"}, {"flirt", "convert_xfm", "convertwarp", "applywarp", "fslsplit"}),
        ({"registration": "nonlinear"}, {"fnirt"}),
        ({"gradient_coefficients": "x"}, {"gradient_unwarp.py", "fslroi", "fslmerge"}),
        ({"mode": "feat"}, {"feat", "mcflirt", "bet", "fslmaths"}),
        ({"mode": "feat", "smooth_mm": 5}, {"feat", "susan"}),
    ],
)
def test_only_what_the_settings_call_is_needed(changes, added):
    needed = install.needed(settings(**changes))
    assert added <= set(needed) and len(needed) == len(set(needed))
    if changes in ({"bias_field": False}, {"mode": "feat"}):
        assert set(needed) == added


def test_the_conda_environment_has_every_program_that_may_be_needed():
    bring = {  # packages of FSL's channel, and gradunwarp
        "fsl-avwutils": {"fslmaths", "fslsplit", "fslmerge", "fslroi"},
        "fsl-mcflirt": {"mcflirt"},
        "fsl-bet2": {"bet"},
        "fsl-fast4": {"fast"},
        "fsl-susan": {"susan"},
        "fsl-flirt": {"flirt", "convert_xfm", "epi_reg"},
        "fsl-fnirt": {"fnirt"},
        "fsl-fugue": {"convertwarp", "applywarp"},
        "fsl-feat5": {"feat"},
        "gradunwarp": {"gradient_unwarp.py"},
    }
    listed = yaml.safe_load((ROOT / "envs" / "fsl.yaml").read_text(encoding="utf-8"))["dependencies"]
    (by_pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    names = {str(entry).split("=")[0] for entry in [*listed, *by_pip]}
    there = set().union(*(programs for package, programs in bring.items() if package in names))
    everything = settings(
        smooth_mm=5, bias_field=True, registration="nonlinear", bbr=True, gradient_coefficients="x"
    )
    wanted = {*install.needed(everything), *install.needed(settings(mode="feat", smooth_mm=5))}
    assert wanted <= there
    assert set(install.PROGRAMS) <= wanted  # `dca doctor` asks for no others
    assert {"fsl-base", "fsl-data_standard"} <= names


def test_the_error_names_all_that_is_missing_and_the_ways_out(tmp_path, monkeypatch, no_fsl):
    program(tmp_path / "fsl" / "bin", "mcflirt")
    monkeypatch.setenv("FSLDIR", str(tmp_path / "fsl"))
    with pytest.raises(DependencyError) as caught:
        install.check(settings(registration="affine", gradient_coefficients="x"))
    line = str(caught.value)
    assert "\n" not in line
    assert "mcflirt" not in line.split(";")[0] and "bet, fslmaths, fast, fslsplit" in line
    assert "MNI152_T1_2mm_brain.nii.gz" in line
    assert "FSLDIR" in line and "--sdm conda" in line and "pip install gradunwarp" in line


def test_a_complete_installation_passes(fsl_standins, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(fsl_standins))
    install.check(settings(smooth_mm=4, registration="nonlinear", bbr=True, gradient_coefficients="x"))
    install.check(settings(mode="feat"))
