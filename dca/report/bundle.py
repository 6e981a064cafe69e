"""All pages of a report once more, in one folder that Snakemake's own report can take in."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from dca.errors import OutputError


def bundle_report(report: str | Path, out: str | Path) -> None:
    """Put a report's pages, and the folders beside them, into a folder of its own.

    Files are hard links where the file system has them, and take no room then.

    Parameters
    ----------
    report : path
        Usually ``results/report``.
    out : path
        The folder, which is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    out = Path(out)
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        shutil.copytree(
            report, temporary, copy_function=_link, ignore=shutil.ignore_patterns(".*")
        )  # no .snakemake_timestamp
        shutil.rmtree(out, ignore_errors=True)
        temporary.replace(out)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise OutputError(
            out, f"cannot be written ({error})", "free space or choose another folder"
        ) from error


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
