"""Errors meant for users: one line that names the file, what is wrong and what to do."""

from __future__ import annotations

from os import PathLike


class DCAError(Exception):
    """Base of every error that a user can cause and mend.

    Parameters
    ----------
    subject : str or path
        The file, setting or run that is at fault.
    problem : str
        What is wrong with it.
    remedy : str
        What the user should do.
    """

    def __init__(self, subject: str | PathLike[str], problem: str, remedy: str) -> None:
        self.subject, self.problem, self.remedy = str(subject), problem, remedy
        super().__init__(" ".join(f"{subject}: {problem}; {remedy}".split()))

    def __reduce__(self) -> tuple[type[DCAError], tuple[str, str, str]]:
        # The default would call __init__ with the joined message and fail across processes.
        return type(self), (self.subject, self.problem, self.remedy)


class ConfigError(DCAError):
    """A setting is unknown, of the wrong type or out of range."""


class InputError(DCAError):
    """The input dataset or manifest cannot be used as it is."""


class ImageError(DCAError):
    """An image is unreadable or not what its role demands."""


class EventsError(DCAError):
    """An events file is empty, incomplete or contradicts its run."""


class ShardError(DCAError):
    """A shard or feature file is missing, damaged or of another version."""


class ModelError(DCAError):
    """A model folder or architecture cannot be used."""


class TrainingError(DCAError):
    """Training cannot start or cannot go on."""


class DependencyError(DCAError):
    """A program or package that this step needs is missing."""


class ToolError(DCAError):
    """A program that this step runs has failed."""


class OutputError(DCAError):
    """A result cannot be written."""
