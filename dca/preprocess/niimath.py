"""Running niimath, the program behind motion correction and the temporal filter."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dca.errors import DependencyError, OutputError


def version() -> str:
    """Version of the installed niimath.

    Raises
    ------
    DependencyError
        If it is not installed.
    """
    return str(_package().__version__)


def niimath(
    source: Path, operations: Sequence[str | Path], out: Path, *, double: bool = False, threads: int = 1
) -> None:
    """Run ``niimath <source> <operations> <out>``.

    Parameters
    ----------
    source, out : Path
        NIfTI files; `out` is written compressed if its name ends in ``.gz``.
    operations : sequence of str or Path
        As on niimath's command line.
    double : bool
        Compute and store in float64 instead of float32.
    threads : int
        Threads that it may use.

    Raises
    ------
    DependencyError
        If niimath is missing or cannot be run.
    OutputError
        If it fails.
    """
    kind = "double" if double else "float"
    command = [
        _package().bin,
        "-dt",
        kind,
        source.resolve(),
        "-p",
        threads,
        *operations,
        out.resolve(),
        "-odt",
        kind,
    ]
    # An environment of FSL may say otherwise; the file's name decides.
    output = "NIFTI_GZ" if out.name.endswith(".gz") else "NIFTI"
    environment = os.environ | {"FSLOUTPUTTYPE": output, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, errors="replace", env=environment
        )
    except OSError as error:
        raise DependencyError("niimath", f"cannot be run ({error})", "install it again: make env") from error
    if done.returncode != 0 or not out.is_file():
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        raise OutputError(
            out,
            f"niimath failed with status {done.returncode} ({said})",
            "check the input and the disk space",
        )


def _package():  # type: ignore[no-untyped-def]  # the package has no types
    try:
        import niimath as package
    except ImportError as error:
        raise DependencyError("niimath", "is not installed", "run: make env") from error
    return package
