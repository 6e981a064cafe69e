"""How results are written: to a temporary name first, then renamed, tables with a sidecar."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from dca.errors import InputError, OutputError

SUFFIXES = (".nii.gz", ".weights.h5")  # double suffixes that writers choose a format by


def stem(path: str | Path) -> str:
    """File name without its suffix, double suffixes included."""
    name = Path(path).name
    return next((name[: -len(s)] for s in SUFFIXES if name.endswith(s)), Path(name).stem)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that becomes `path` if the block succeeds.

    The sibling keeps the suffix, so that writers that go by it do the right thing, and has a name of its own,
    so that two never share one: of two jobs, on whatever machines, or of two threads.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    base = stem(path)
    temporary = path.with_name(f".{base}.{secrets.token_hex(4)}{path.name[len(base) :]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # whatever it is: /proc, for one, says that the new folder does not exist
        raise OutputError(
            path, f"cannot be written ({error.strerror})", "choose a folder you may write to"
        ) from error
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise OutputError(
            path, f"cannot be written ({error.strerror})", "choose a folder you may write to"
        ) from error
    except OSError as error:
        if error.errno in (28, 30, 122):  # no space, read-only, quota
            raise OutputError(
                path, f"cannot be written ({error.strerror})", "free space or choose another folder"
            ) from error
        raise
    finally:
        # Missing after the rename; in a folder that never came to be; or past a file as folder.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON atomically, keys in the given order."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        If it is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", "check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not valid JSON ({error})", "mend or remove the file") from error


def write_tsv(path: str | Path, table: pd.DataFrame, columns: Mapping[str, str | Mapping[str, Any]]) -> None:
    """Write a table as TSV with a header, and its column descriptions beside it as JSON.

    Parameters
    ----------
    path : path
        Ends in ``.tsv``; the sidecar is the same name with ``.json``.
    table : DataFrame
        Missing values become ``n/a``, as BIDS asks.
    columns : mapping
        Column name to description with unit, or to all that the sidecar shall say of it. A name that
        ends in ``*`` describes all columns that start with what precedes the star.
    """
    describe(path, columns)
    with atomic(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def describe(path: str | Path, columns: Mapping[str, str | Mapping[str, Any]]) -> None:
    """Write the column descriptions of a table beside it; see `write_tsv`."""
    said = {k: {"Description": v} if isinstance(v, str) else dict(v) for k, v in columns.items()}
    write_json(Path(path).with_suffix(".json"), said)


def read_tsv(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read a TSV with a header; ``n/a`` is missing and nothing else is.

    Raises
    ------
    InputError
        If it is missing, empty or not a table.
    """
    try:
        return pd.read_csv(
            path, sep="\t", na_values=["n/a"], keep_default_na=False, encoding="utf-8-sig", **options
        )
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", "check the path") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = str(error).strip()
        raise InputError(
            path, f"is not a table ({reason})", "write tab-separated columns with a header"
        ) from error


def checksum(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
