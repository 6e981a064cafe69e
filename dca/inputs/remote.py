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
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib

from dca.errors import DependencyError, InputError
from dca.files import atomic

SCHEME = "s3:/"
HEAD_BYTES = 2**20  # of an image, that its header and extensions lie in
AT_ONCE = 10  # requests; as many connections as the client keeps open
ATTEMPTS = 5  # to repeat a request, where AWS_MAX_ATTEMPTS does not say


def is_remote(path: str | Path) -> bool:
    """Whether a path leads to S3."""
    return str(path).startswith(SCHEME)


def address(path: str | Path) -> str:
    """Write a path as users do: one on S3 as ``s3://bucket/key``."""
    return f"s3://{'/'.join(_place(path))}" if is_remote(path) else str(path)


def checked(given: str | Path) -> Path:
    """Path of an address on S3 that a user gave.

    Raises
    ------
    InputError
        If the key has an empty part, ``.`` or ``..``: paths are the same without these, keys are not.
    """
    if {"", ".", ".."} & set(str(given).removeprefix(SCHEME).removeprefix("/").split("/")):
        problem = "has an empty part, '.' or '..' in its key"
        raise InputError(given, problem, "write it as s3://bucket/folder/file, or rename what is stored so")
    return Path(given)


def look_up(paths: Iterable[Path]) -> None:
    """Ask about all of the files that lie on S3, several at once; `exists` and `state` then know.

    Raises
    ------
    InputError
        If S3 gives no answer.
    """
    there = [path for path in dict.fromkeys(paths) if is_remote(path)]
    if there:
        _client()  # not once in every thread
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(_head, there))


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
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise DependencyError(
            "boto3", "is missing, and an input lies on S3",
            "pip install --require-hashes -r envs/requirements-s3.txt",
        ) from None  # fmt: skip
    # What is given here overrides the environment.
    attempts = {} if "AWS_MAX_ATTEMPTS" in os.environ else {"max_attempts": ATTEMPTS}
    try:
        return boto3.client("s3", config=Config(retries={"mode": "standard", **attempts}))
    except (BotoCoreError, ValueError) as error:
        raise InputError(
            "the environment", f"gives no access to S3 ({error})",
            "write AWS_ENDPOINT_URL_S3 as https://host, and mind the other AWS_ variables",
        ) from error  # fmt: skip


@functools.cache
def _head(path: str | Path) -> tuple[int, int] | None:
    """Size and time of change; None if there is no such file."""
    client = _client()  # or says that boto3 is missing
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _place(path)
    try:
        found = client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
            return None
        raise _refused(path, error) from error
    except BotoCoreError as error:
        raise _refused(path, error) from error
    return found["ContentLength"], int(found["LastModified"].timestamp()) * 10**9


def _read(path: Path, part: str = "bytes=0-") -> bytes:
    client = _client()
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = _place(path)
    for last in (False, False, True):  # The client tries again to begin, but not what breaks off.
        try:
            return client.get_object(Bucket=bucket, Key=key, Range=part)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if last or isinstance(error, ClientError):
                raise _refused(path, error) from error
    raise AssertionError


def _refused(path: str | Path, error: Exception) -> InputError:
    return InputError(
        address(path), f"cannot be read ({error})",
        "check the address, AWS_ENDPOINT_URL_S3 and the credentials in the environment, "
        "which must allow s3:GetObject and s3:ListBucket",
    )  # fmt: skip
