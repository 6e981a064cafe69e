"""Conda environments: what is in them, and the scripts that Snakemake runs after making them."""

import os
import re
import subprocess

import pytest
import yaml

from dca.config import ROOT

# Of the login node alone; of the other environment.
ELSEWHERE = {"snakemake", "snakemake-executor-plugin-slurm", "nipype"}


def test_the_conda_environment_has_what_is_locked():
    lines = (ROOT / "envs/requirements.in").read_text().splitlines()
    wanted = {line.split("#")[0].strip() for line in lines} - {""}
    wanted = {line for line in wanted if re.split("==", line)[0] not in ELSEWHERE}
    dependencies = yaml.safe_load((ROOT / "envs/dca.yaml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert set(pip) == wanted


@pytest.mark.parametrize("cuda", [False, True])
def test_after_the_environment_come_dca_and_horovod(tmp_path, cuda):
    said = tmp_path / "said"
    for name, body in (
        ("env/bin/python", f'echo python "$@" >> {said}; [ "$1" != -c ] || exit {int(not cuda)}'),
        ("clone/envs/build_horovod.sh", f'echo build "$@" $HOROVOD_GPU_OPERATIONS >> {said}'),
    ):
        program = tmp_path / name
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    prefix, clone = tmp_path / "env", tmp_path / "clone"
    given = os.environ | {"CONDA_PREFIX": str(prefix), "DCA_CLONE": str(clone)}
    for name in ("dca", "fsl"):
        script = ROOT / f"envs/{name}.post-deploy.sh"
        subprocess.run(["bash", script], env=given, check=True, timeout=60)
    lines = [line for line in said.read_text().splitlines() if "tensorflow" not in line]
    install = f"python -m pip install -q --no-deps --no-build-isolation -e {clone}"
    build = f"build {prefix}/bin/python mpi" + (" NCCL" if cuda else "")
    assert lines == [install, build, install]
