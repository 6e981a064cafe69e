"""Why jobs failed: rule, run, the last lines of the log and where it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

TAIL_LINES, TAIL_BYTES = 5, 20_000
CLOCKS_S = 60  # that the clocks of nodes and of this machine may differ by
_BEGUN = re.compile(r"\d{4}-\d\d-\d\dT\d{6}")
_HEAD = re.compile(r"^\s*Error in rule (?P<rule>[^\s:,]+)")
_FIELD = re.compile(r"^\s+(?P<name>jobid|output|log): (?P<value>.*)$")
_OTHER = re.compile(r"^\s+\S.*$")
_NOTE = " (check log file(s) for error details)"
_STORED = re.compile(r" \([^()]*\b(?:send to|in) storage\)")
_DONE = re.compile(r"^Finished jobid: (?P<number>\d+)", re.MULTILINE)
_SLURM_LOG = re.compile(r"/slurm_logs/\S+?/(?P<number>[0-9_]+)\.log")
_SLURM = re.compile(r"SLURM-job '(?P<number>[^']+)' failed.*?SLURM status is: '(?P<state>\w+)'")


@dataclass(frozen=True)
class Failure:
    """One job that failed.

    Attributes
    ----------
    rule : str
    outputs : tuple of Path
        The first of them names the run.
    log : Path or None
        Of the job, where it has begun to write one.
    slurm : str or None
        Slurm's number of the job and the state it ended in.
    times : int
        How often it failed.
    grouped : bool
        Whether it was one of a group of jobs, all of which Snakemake calls failed.
    number : str
        Snakemake's, of the job.
    """

    rule: str
    outputs: tuple[Path, ...]
    log: Path | None
    slurm: str | None = None
    times: int = 1
    grouped: bool = False
    number: str = ""

    def __str__(self) -> str:
        name = self.outputs[0] if self.outputs else ""
        lines = [f"{self.rule} {name}" + (f" (failed {self.times} times)" if self.times > 1 else "")]
        if self.slurm:
            lines.append(f"  Slurm: {self.slurm}")
        if self.log is None:
            lines.append("  it wrote no log: see what Slurm says, and .snakemake/slurm_logs")
        else:
            lines += [f"  | {line}" for line in tail(self.log)]
            lines.append(f"  whole log: {self.log}")
        return "\n".join(lines)


def failures(records: Iterable[str | Path], folder: str | Path = ".") -> list[Failure]:
    """List the jobs that failed for good in one call of Snakemake.

    Snakemake names every job of a group that failed. Those are left out that are done, and those that never
    began: they have no log, or that of an earlier call. Done is what has its outputs, or what Snakemake calls
    finished: results on S3 leave no outputs in the folder, only copies of their logs.

    Parameters
    ----------
    records : iterable of path
        What Snakemake said, as in ``.snakemake/log/``.
    folder : path
        The study's, that paths in the record start from.
    """
    paths = [Path(record) for record in records]
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)
    since = min(map(_start, paths), default=0.0)
    found: dict[tuple[str, tuple[Path, ...]], Failure] = {}
    for failure in _blocks(text, Path(folder)):
        if failure.grouped and failure.log and failure.log.stat().st_mtime < since:
            failure = replace(failure, log=None)  # of an earlier call
        key = (failure.rule, failure.outputs)
        times = found[key].times + 1 if key in found else 1
        found[key] = replace(failure, times=times)
    finished = {match["number"] for match in _DONE.finditer(text)}
    left = [failure for failure in found.values() if failure.number not in finished]
    missing = [f for f in left if not f.outputs or not all(path.exists() for path in f.outputs)]
    begun = [failure for failure in missing if failure.log is not None or not failure.grouped]
    return begun or missing


def summary(records: Iterable[str | Path], folder: str | Path = ".") -> str:
    """Tell in a few lines per job what failed; empty if nothing did."""
    return "\n\n".join(str(failure) for failure in failures(records, folder))


def tail(path: Path) -> list[str]:
    """Last lines of a log that say something."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().decode("utf-8", errors="replace").split("\n")
    # A progress bar is one line of many states.
    said = [line.rpartition("\r")[2].rstrip() for line in lines]
    return [line for line in said if line][-TAIL_LINES:]


def _start(record: Path) -> float:
    """When Snakemake began a record, in seconds since 1970 less some for clocks that differ; 0 if unknown."""
    match = _BEGUN.match(record.name)
    return datetime.strptime(match[0], "%Y-%m-%dT%H%M%S").timestamp() - CLOCKS_S if match else 0.0


def _blocks(text: str, folder: Path) -> Iterator[Failure]:
    """Each report of a failed job, in their order."""
    rule, fields, slurm = "", {}, None  # type: tuple[str, dict[str, str], str | None]
    grouped = False
    for line in [*text.splitlines(), ""]:
        if match := _SLURM.search(line):
            slurm = f"job {match['number']} {match['state']}"
        elif (match := _SLURM_LOG.search(line)) and f"job {match['number']}" not in (slurm or ""):
            slurm = f"job {match['number']}"  # of a group, whose end Slurm's plugin does not tell
        head = _HEAD.match(line)
        # Until there is a field, what follows is the rest of a message of several lines.
        if rule and (head or not line.strip() or (fields and not _OTHER.match(line))):
            yield _failure(rule, fields, slurm, folder, grouped)
            rule = ""
        if head:
            rule, fields, grouped = head["rule"], {}, line[0].isspace()
            if not grouped:  # of a group was spoken before
                slurm = None
        elif rule and (match := _FIELD.match(line)):
            fields[match["name"]] = match["value"]


def _failure(rule: str, fields: dict[str, str], slurm: str | None, folder: Path, grouped: bool) -> Failure:
    outputs = _paths(fields.get("output", ""), folder)
    # Slurm's own log of the job may come after it.
    logs = [path for path in _paths(fields.get("log", "").removesuffix(_NOTE), folder)[:1] if path.is_file()]
    log = logs[0] if logs else None
    return Failure(rule, outputs, log, slurm, grouped=grouped, number=fields.get("jobid", ""))


def _paths(listed: str, folder: Path) -> tuple[Path, ...]:
    """Paths in a list of Snakemake's, of what lies on S3 those of Snakemake's copies."""
    names = [name for name in _STORED.sub("", listed).split(", ") if name]
    copies = [re.sub("^s3://", ".snakemake/storage/s3/", name) for name in names]
    return tuple(folder / name for name in copies)
