"""Conda environments: what is in them, and the scripts that Snakemake runs after making them."""

import os
import re
import subprocess

import pytest
import yaml

from dca.config import ROOT

# Of the login node alone; of the other environment.
ELSEWHERE = {"snakemake", "snakemake-executor-plugin-slurm", "nipype"}


@pytest.mark.parametrize(
    ("name", "tensorflow"), [("dca", "tensorflow-cpu"), ("dca-gpu", "tensorflow[and-cuda]")]
)
def test_the_conda_environment_has_what_is_locked(name, tensorflow):
    lines = (ROOT / "envs/requirements.in").read_text().splitlines()
    wanted = {line.split("#")[0].strip() for line in lines} - {""}
    wanted = {line for line in wanted if re.split("==", line)[0] not in ELSEWHERE}
    dependencies = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert set(pip) == {line.replace("tensorflow-cpu", tensorflow) for line in wanted}
    # NCCL is built with a compiler for CUDA, and where CUDA is.
    assert {"cuda-nvcc", "nccl"} <= set(dependencies[:-1]) or name == "dca"


@pytest.mark.parametrize(("environment", "cuda"), [("dca", False), ("dca", True), ("dca-gpu", True)])
def test_after_the_environment_come_dca_and_horovod(tmp_path, environment, cuda):
    said = tmp_path / "said"
    for name, body in (
        ("env/bin/python", f'echo python "$@" >> {said}; [ "$1" != -c ] || exit {int(not cuda)}'),
        (
            "clone/envs/build_horovod.sh",
            f'echo build "$@" $HOROVOD_GPU_OPERATIONS $HOROVOD_NCCL_HOME >> {said}',
        ),
    ):
        program = tmp_path / name
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    prefix, clone = tmp_path / "env", tmp_path / "clone"
    given = os.environ | {"CONDA_PREFIX": str(prefix), "DCA_CLONE": str(clone)}
    (clone / "envs/dca.post-deploy.sh").symlink_to(ROOT / "envs/dca.post-deploy.sh")
    for name in (environment, "fsl"):
        script = ROOT / f"envs/{name}.post-deploy.sh"
        subprocess.run(["bash", script], env=given, check=True, timeout=60)
    lines = [line for line in said.read_text().splitlines() if "tensorflow" not in line]
    install = f"python -m pip install -q --no-deps --no-build-isolation -e {clone}"
    build = f"build {prefix}/bin/python mpi" + (f" NCCL {prefix}" if cuda else "")
    assert lines == [install, build, install]


def test_environments_that_the_training_may_have_exist():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    names = schema["properties"]["cluster"]["properties"]["train_env"]["enum"]
    files = [ROOT / "envs" / f"{name}.{kind}" for name in names for kind in ("yaml", "post-deploy.sh")]
    assert names == ["dca", "dca-gpu"] and all(file.is_file() for file in files)
    assert "f\"../envs/{CLUSTER['train_env']}.yaml\"" in (ROOT / "rules/train.smk").read_text()
