"""A study whose inputs and results lie on S3, over connections that break."""

from pathlib import PurePath

import numpy as np
import pytest

from dca.files import checksum
from dca.signals import Shard

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("s3"), pytest.mark.timeout(900)]

RUN = "sub-100307_task-MOTOR"
STORAGE = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://mine/study")


def test_inputs_and_results_on_s3_survive_lost_connections(new_study, make_hcp, s3, tmp_path, monkeypatch):
    folder = make_hcp(runs=("tfMRI_MOTOR_LR",)) / "100307/MNINonLinear/Results/tfMRI_MOTOR_LR"
    (folder / "events.tsv").write_text("onset\tduration\ttrial_type\n4\t4\thand\n20\t4\thand\n")
    bucket = s3.put(s3.server, folder, "data")
    for name, value in s3.server.environment.items():
        monkeypatch.setenv(name, value)
    study = new_study(
        {"preprocess": {"backend": "none"}},
        input={"source": "manifest", "path": "runs.tsv", "validation": 0.0},
    )
    there = [f"s3://data/{name}" for name in ("tfMRI_MOTOR_LR.nii.gz", "brainmask_fs.2.nii.gz", "events.tsv")]
    (study.folder / "runs.tsv").write_text(
        "bold\tmask\tevents\tsubject\ttask\n" + "\t".join([*there, "100307", "MOTOR"]) + "\n"
    )
    study.snakemake("-n", "signals")  # reads headers; what breaks next are the transfers of jobs
    shard = f"study/results/signals/{RUN}.h5"
    bucket.create_bucket(Bucket="mine")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    fetch, store = "GET /data/tfMRI_MOTOR_LR.nii.gz", f"PUT /mine/{shard}"
    fails_for_good(study, s3.server, fetch, "tfMRI_MOTOR_LR.nii.gz")
    assert "Contents" not in bucket.list_objects_v2(Bucket="mine", Prefix="study/results/preprocess")
    s3.server.to_break.append(fetch)  # once: that call gets as far as storing
    assert fetch in fails_for_good(study, s3.server, store, shard)
    assert "Contents" not in bucket.list_objects_v2(Bucket="mine", Prefix=shard)
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    s3.server.to_break.append(store)
    study.snakemake("signals", *STORAGE)
    assert s3.server.broken == [store]

    found = {entry["Key"] for entry in bucket.list_objects_v2(Bucket="mine")["Contents"]}
    names = {f"preprocess/{RUN}/{name}.nii.gz" for name in ("desc-preproc_bold", "mask", "mean")}
    names |= {f"signals/{RUN}.h5"}
    assert {key for key in found if key.endswith((".gz", ".h5"))} == {
        f"study/results/{name}" for name in names
    }
    bucket.download_file("mine", shard, str(tmp_path / "shard.h5"))
    with Shard(tmp_path / "shard.h5") as signals:
        assert np.isfinite(signals.read(0, signals.n_voxels)).all() and signals.n_voxels == 4 * 5 * 3
    bucket.download_file(
        "mine", f"study/results/preprocess/{RUN}/desc-preproc_bold.nii.gz", str(tmp_path / "copy")
    )
    assert checksum(tmp_path / "copy") == checksum(folder / "tfMRI_MOTOR_LR.nii.gz")
    assert not [path for path in study.folder.rglob("*.h5") if path.is_file()]  # no half file, nor a copy
    assert "nothing to be done" in study.snakemake("-n", "signals", *STORAGE).stdout.lower()


def fails_for_good(study, server, request, name):
    """Break every transfer of one file: the job fails, says which, and leaves nothing of it behind."""
    server.for_good.append(request)
    done = study.snakemake("signals", *STORAGE, check=False)
    server.for_good.clear()
    said = done.stdout + done.stderr
    broken, server.broken = server.broken, []
    assert done.returncode and request in broken
    assert [line for line in said.splitlines() if "Failed to" in line and name in line], said
    assert "Traceback" not in said
    stem = PurePath(name).name  # under other names too, as while a download is at work
    assert [path for path in study.folder.rglob(f"*{stem}*") if path.is_file()] == []
    return broken
