"""Images of the inputs that lie on S3: what is known of them before a job of the workflow fetches them.

A path ``s3://bucket/key`` is a `Path` as any other; `Path` writes it with one slash, and `address` with two.
Server and credentials are those of boto3: ``AWS_ENDPOINT_URL_S3``, ``AWS_ACCESS_KEY_ID`` and so on in the
environment.
"""

from __future__ import annotations

import functools
import io
import os
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib

from dca.errors import DependencyError, InputError
from dca.files import atomic

SCHEME = "s3:/"
HEAD_BYTES = 2**20  # of an image, that its header and extensions lie in


def is_remote(path: str | Path) -> bool:
    """Whether a path leads to S3."""
    return str(path).startswith(SCHEME)


def address(path: str | Path) -> str:
    """Write a path as users do: one on S3 as ``s3://bucket/key``."""
    return f"s3://{'/'.join(_place(path))}" if is_remote(path) else str(path)


def exists(path: Path) -> bool:
    """Whether there is such a file, here or on S3."""
    return _head(path) is not None if is_remote(path) else path.exists()


def state(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in ns since 1970; both -1 where there is no such file."""
    if is_remote(path):
        return _head(path) or (-1, -1)
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def fetch(path: Path, folder: Path) -> Path:
    """Copy a small file from S3 into a folder, unless the copy is of the same size and time.

    Returns
    -------
    Path
        The copy, with the time of change that the file has on S3.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    bucket, key = _place(path)
    copy = folder / bucket / key
    if state(copy) != state(path):
        copy.parent.mkdir(parents=True, exist_ok=True)
        with atomic(copy) as temporary:
            temporary.write_bytes(_read(path))
            os.utime(temporary, ns=(state(path)[1],) * 2)
    return copy


def open_image(path: Path) -> nib.Nifti1Image:
    """Open the header of an image on S3; its voxels cannot be read.

    Raises
    ------
    InputError
        If it cannot be read.
    zlib.error, nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError
        If it is no NIfTI image.
    """
    head = _read(path, f"bytes=0-{HEAD_BYTES - 1}")
    if path.suffix == ".gz":
        head = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    kinds = (nib.Nifti1Image, nib.Nifti2Image)
    kind = next((kind for kind in kinds if kind.header_class.may_contain_header(head)), nib.Nifti1Image)
    image = kind.from_stream(io.BytesIO(head))
    image.file_map["image"].filename = address(path)
    return image


def _place(path: str | Path) -> tuple[str, str]:
    """Bucket and key."""
    bucket, _, key = str(path).removeprefix(SCHEME).lstrip("/").partition("/")
    return bucket, key


@functools.cache
def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise DependencyError(
            "boto3", "is missing, and an input lies on S3",
            "pip install --require-hashes -r envs/requirements-s3.txt",
        ) from None  # fmt: skip
    return boto3.client("s3", config=Config(retries={"max_attempts": 5, "mode": "standard"}))


@functools.cache
def _head(path: str | Path) -> tuple[int, int] | None:
    """Size and time of change; None if there is no such file."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _place(path)
    try:
        found = _client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
            return None
        raise _refused(path, error) from error
    except BotoCoreError as error:
        raise _refused(path, error) from error
    return found["ContentLength"], int(found["LastModified"].timestamp()) * 10**9


def _read(path: Path, part: str = "bytes=0-") -> bytes:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _place(path)
    for last in (False, False, True):  # The client tries again to begin, but not what breaks off.
        try:
            return _client().get_object(Bucket=bucket, Key=key, Range=part)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if last or isinstance(error, ClientError):
                raise _refused(path, error) from error
    raise AssertionError


def _refused(path: str | Path, error: Exception) -> InputError:
    return InputError(
        address(path), f"cannot be read ({error})",
        "check the address, AWS_ENDPOINT_URL_S3 and the credentials in the environment",
    )  # fmt: skip
