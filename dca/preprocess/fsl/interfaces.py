"""nipype's FSL interfaces, and a scratch folder in which one after the other is run."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from dca.errors import DependencyError, OutputError, ToolError
from dca.files import atomic, stem
from dca.preprocess.fsl.install import REMEDY, environment, find, version

# nipype would ask a server for its latest version.
os.environ["NO_ET"] = os.environ["NIPYPE_NO_ET"] = "1"

from nipype import config
from nipype.interfaces import fsl
from nipype.interfaces.base import CommandLine

config.set("execution", "check_version", "false")
fsl.FSLCommand.set_default_output_type("NIFTI_GZ")

logger = logging.getLogger(__name__)

__all__ = ["CommandLine", "Scratch", "fsl", "temporal_mean"]


class Scratch:
    """A folder below ``$TMPDIR`` where the programs of one step read and write.

    Inputs are linked into it under plain names, since some of FSL's scripts cannot take a space
    in a path, and results leave it whole. The links have a folder of their own, where no program
    writes: a result of the same name would go through the link and overwrite the input.

    Parameters
    ----------
    step : str
        Name of the step, for errors and the record.
    subject : path
        What the step makes, for errors: its path names the run.

    Raises
    ------
    OutputError
        If the path of the temporary folder has a space.
    """

    def __init__(self, step: str, subject: str | Path) -> None:
        self.step, self.subject = step, Path(subject)

    def __enter__(self) -> Scratch:
        self._temporary = tempfile.TemporaryDirectory(prefix="dca-")
        self.folder = Path(self._temporary.name)
        if len(str(self.folder).split()) > 1:
            self._temporary.cleanup()
            raise OutputError(
                self.folder, "has a space, which FSL cannot take", "set TMPDIR to another folder"
            )
        self._inputs = self.path("inputs")
        self._inputs.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._temporary.cleanup()

    def take(self, path: str | Path, name: str) -> Path:
        """Link an input into the folder as `name` with its own suffix."""
        source = Path(path).absolute()
        link = self._inputs / (name + source.name[len(stem(source)) :])
        link.symlink_to(source.resolve() if source.is_symlink() else source)
        return link

    def path(self, name: str) -> Path:
        """Path of a file that a program writes."""
        return self.folder / name

    def run(self, interface: Any, *produces: str | Path) -> None:
        """Run one interface; what it prints goes to the log.

        Parameters
        ----------
        interface : nipype CommandLine
        *produces : path
            Files that must be there afterwards.

        Raises
        ------
        DependencyError
            If the program is not installed.
        ToolError
            If it fails or leaves no result.
        """
        program = interface.cmd.split()[0]
        if not find(program):
            raise DependencyError(self._where(), f"cannot find FSL's {program}", REMEDY)
        interface.inputs.environ = interface.inputs.environ | environment()
        interface.terminal_output = "allatonce"
        logger.info("%s: %s", self.step, interface.cmdline)
        for path in produces:  # the last volume's must not pass for this one's
            if (self.folder / path).is_file():
                (self.folder / path).unlink()
        # Some interfaces take any word on stderr for a failure: status and results decide here.
        runtime = interface.run(cwd=str(self.folder), ignore_exception=True).runtime
        said = [text.strip() for text in (runtime.stdout, runtime.stderr) if text and text.strip()]
        for text in said:
            logger.info("%s said:\n%s", program, text)
        lost = [Path(path).name for path in produces if not self._whole(path)]
        if runtime.returncode == 0 and not lost:
            return
        if runtime.returncode is None:
            logger.error("%s", getattr(runtime, "traceback", "it was not started"))
        reason = f"status {runtime.returncode}" if runtime.returncode != 0 else f"no {', '.join(lost)}"
        last = " ".join(said[-1].splitlines()[-3:])[-300:] if said else "it said nothing"
        raise ToolError(
            self._where(), f"{program} failed with {reason} ({last})", "the log has all that it said"
        )

    def give(self, name: str | Path, out: str | Path) -> None:
        """Move a file to where the result belongs, under its final name only when it is whole."""
        with atomic(out) as temporary:
            shutil.move(self.folder / name, temporary)

    def record(self, method: str, **numbers: Any) -> dict[str, Any]:
        """Record of the step for the run's summary."""
        return {"step": self.step, "method": method, **numbers, "fsl": version()}

    def _where(self) -> str:
        return f"{self.subject}, step {self.step}"

    def _whole(self, path: str | Path) -> bool:
        path = self.folder / path
        return path.is_dir() or (path.is_file() and path.stat().st_size > 0)


def temporal_mean(run: Path, mean: Path) -> fsl.MeanImage:
    """``fslmaths`` that takes the mean of a run over time."""
    return fsl.MeanImage(in_file=run, dimension="T", out_file=mean)
