"""Runs whose files lie on S3, as a manifest names them."""

import sys
import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dca.errors import DependencyError, ImageError, InputError
from dca.files import read_tsv
from dca.inputs import listing, read_runs, remote
from dca.preprocess.slice_timing import read_slice_times

EVENTS = "onset\tduration\ttrial_type\n0\t2\thand\n4\t2\ttongue\n"


@pytest.fixture(scope="module")
def bucket(s3, tmp_path_factory):
    """A bucket with a run, its mask, events and JSON file."""
    folder = tmp_path_factory.mktemp("there")
    affine = np.diag([3, 3, 3, 1.0])
    image = nib.Nifti1Image(np.random.default_rng(0).integers(0, 99, (6, 7, 8, 10), np.int16), affine)
    nib.save(image, folder / "a.nii.gz")
    nib.save(nib.Nifti2Image(np.ones((6, 7, 8), np.uint8), affine), folder / "mask.nii")
    (folder / "a.json").write_text('{"RepetitionTime": 2.0}')
    (folder / "events.tsv").write_text(EVENTS)
    (folder / "text.nii.gz").write_text("no image")
    return s3.put(s3.server, folder, "data")


@pytest.fixture
def refresh(s3, bucket, monkeypatch, tmp_path, defaults):
    """List the runs of a manifest with one row."""
    for name, value in s3.server.environment.items():
        monkeypatch.setenv(name, value)
    caches = (remote._head, remote._client)

    def list_them(*row):
        [cache.cache_clear() for cache in caches]
        (tmp_path / "manifest.tsv").write_text("bold\tsubject\tmask\tevents\n" + "\t".join(row) + "\n")
        own = {"source": "manifest", "path": "manifest.tsv", "validation": 0.0}
        config = {**defaults, "input": {**defaults["input"], **own}}
        return listing.refresh(config, tmp_path, tmp_path / "results")

    yield list_them
    [cache.cache_clear() for cache in caches]


ROW = ("s3://data/a.nii.gz", "01", "s3://data/mask.nii", "s3://data/events.tsv")


def test_headers_are_read_there_and_tables_are_copied_once(refresh, bucket, tmp_path):
    [run] = refresh(*ROW)
    assert (run.tr, run.volumes, run.events) == (2.0, 10, ("hand", "tongue"))
    assert remote.address(run.bold) == ROW[0] and remote.is_remote(run.mask)
    assert run.events_file == tmp_path / "results/inputs/s3/data/events.tsv"
    assert run.events_file.read_text() == EVENTS
    table = tmp_path / "results/inputs.tsv"
    assert read_tsv(table)["bold"].tolist() == [ROW[0]] and read_runs(table) == [run]

    copied = run.events_file.stat()
    assert refresh(*ROW) == [run]
    assert run.events_file.stat().st_ino == copied.st_ino
    bucket.put_object(Bucket="data", Key="events.tsv", Body=(EVENTS + "8\t1\tfoot\n").encode())
    assert refresh(*ROW)[0].events == ("foot", "hand", "tongue")
    bucket.put_object(Bucket="data", Key="events.tsv", Body=EVENTS.encode())


def test_a_transfer_that_breaks_off_is_done_again(refresh, s3, tmp_path):
    s3.server.to_break.append("GET /data/a.nii.gz")
    s3.server.broken.clear()
    assert refresh(*ROW)[0].volumes == 10
    assert s3.server.broken == ["GET /data/a.nii.gz"]


@pytest.mark.parametrize(
    ("row", "error", "match"),
    [
        (("s3://data/b.nii.gz", *ROW[1:]), InputError, r"1 file\(s\) that do not exist: s3://data/b.nii.gz"),
        (("s3://none/a.nii.gz", *ROW[1:]), InputError, "do not exist: s3://none/a.nii.gz"),
        (("s3://data/text.nii.gz", *ROW[1:]), ImageError, "^s3://data/text.nii.gz: cannot be read as NIfTI"),
        (("s3://data/mask.nii", *ROW[1:]), ImageError, "^s3://data/mask.nii: is 3-D"),
        ((f"{ROW[0]}\t01\t\t\n{ROW[0]}", "02", "", ""), InputError, "image s3://data/a.nii.gz in lines 2, 3"),
        (("s3://data//a.nii.gz", *ROW[1:]), InputError, "^s3://data//a.nii.gz: has an empty part"),
        ((ROW[0], "01", "s3://data/../mask.nii", ROW[3]), InputError, "^s3://data/../mask.nii: has an empty"),
        ((ROW[0], "01", "s3://data/a.nii.gz", ROW[3]), ImageError, "has shape 6×7×8×10, the image s3://data"),
    ],
)
def test_what_is_wrong_is_named(refresh, row, error, match):
    with pytest.raises(error, match=match):
        refresh(*row)


def test_a_head_cut_off_in_the_middle_of_the_stream_is_enough(refresh, bucket, monkeypatch):
    monkeypatch.setattr(remote, "HEAD_BYTES", 1000)
    assert bucket.head_object(Bucket="data", Key="a.nii.gz")["ContentLength"] > 2000
    [run] = refresh(*ROW)
    assert (run.tr, run.volumes) == (2.0, 10)


def test_many_files_are_asked_about_at_once(refresh, monkeypatch):
    refresh(*ROW)
    remote._head.cache_clear()
    asked, meet = [], threading.Barrier(3, timeout=60)
    head = remote._client().head_object
    monkeypatch.setattr(
        remote._client(), "head_object", lambda **key: [asked.append(key), meet.wait(), head(**key)][2]
    )
    paths = [Path("/here/c.nii"), *(Path(ROW[i]) for i in (0, 2, 3, 0))]
    remote.look_up(paths)
    monkeypatch.undo()
    assert len(asked) == 3 and all(remote.exists(path) for path in paths[1:]) and len(asked) == 3


def test_slice_timing_is_said_not_to_be_for_images_there():
    with pytest.raises(
        InputError, match=r"^s3://data/a\.nii\.gz: lies on S3, where slice timing is not supported"
    ):
        read_slice_times(Path(ROW[0]), 2.0)


def test_without_a_server_one_line_says_what_to_do(refresh, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError, match=r"s3://data/\S+: cannot be read .*AWS_ENDPOINT_URL_S3"):
        refresh(*ROW)


def test_requests_are_repeated_as_the_environment_says(refresh, monkeypatch):
    def attempts():
        remote._client.cache_clear()
        return remote._client().meta.config.retries

    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    assert attempts() == {"mode": "standard", "total_max_attempts": 6}
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    assert attempts() == {"mode": "standard", "total_max_attempts": 2}


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ENDPOINT_URL_S3", "s3.example.org"), ("AWS_PROFILE", "nobody")]
)
def test_an_environment_that_is_no_way_to_s3_is_told_in_one_line(refresh, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=rf"no access to S3 \(.*{value}.*write AWS_ENDPOINT_URL_S3 as"):
        refresh(*ROW)


@pytest.mark.parametrize(
    "missing", [("boto3",), ("boto3", "botocore", "botocore.exceptions", "botocore.config")]
)
def test_without_boto3_one_line_says_what_to_install(refresh, monkeypatch, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyError, match=r"requirements-s3\.txt"):
        refresh(*ROW)
