"""Runs whose files lie on S3, as a manifest names them."""

import sys

import nibabel as nib
import numpy as np
import pytest

from dca.errors import DependencyError, ImageError, InputError
from dca.files import read_tsv
from dca.inputs import listing, read_runs, remote

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
        (("s3://data/text.nii.gz", *ROW[1:]), ImageError, "text.nii.gz: cannot be read as NIfTI"),
        ((ROW[0], "01", "s3://data/a.nii.gz", ROW[3]), ImageError, "has shape 6×7×8×10, the image s3://data"),
    ],
)
def test_what_is_wrong_is_named(refresh, row, error, match):
    with pytest.raises(error, match=match):
        refresh(*row)


def test_without_a_server_or_boto3_one_line_says_what_to_do(refresh, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError, match=r"s3://data/\S+: cannot be read .*AWS_ENDPOINT_URL_S3"):
        refresh(*ROW)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(DependencyError, match=r"requirements-s3\.txt"):
        refresh(*ROW)
