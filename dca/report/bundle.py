"""All pages of a report once more, in one folder that Snakemake's own report can take in."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from dca.errors import InputError, OutputError


def bundle_report(parts: Iterable[str | Path], out: str | Path) -> None:
    """Put a report's pages, and the folders beside them, into a folder of its own.

    Files are hard links where the file system has them, and take no room then.

    Parameters
    ----------
    parts : iterable of path
        The pages and folders, and nothing else goes in: pages of subjects that have left the study may
        still lie beside them.
    out : path
        The folder, which is replaced.

    Raises
    ------
    InputError
        If one of the parts is missing.
    OutputError
        If the folder cannot be written.
    """
    sources, out = [Path(part) for part in parts], Path(out)
    for source in sources:
        if not source.exists():
            raise InputError(source, "does not exist", "make the report first")
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        for source in sources:
            _take(source, temporary / source.name)
        if out.exists():
            shutil.rmtree(out)
        temporary.replace(out)
    except OSError as error:
        problem = f"cannot be written ({_reason(error)})"
        raise OutputError(out, problem, "free space or choose another folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take(source: Path, target: Path) -> None:
    if source.is_dir():
        hidden = shutil.ignore_patterns(".*")  # .snakemake_timestamp
        shutil.copytree(source, target, copy_function=_link, ignore=hidden)
    else:
        _link(str(source), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _reason(error: OSError) -> str:
    """Why; of the list of all files of a folder that could not be copied, the first."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        _, target, why = error.args[0][0]
        return f"{Path(target).name}: {why}"
    return str(error)
