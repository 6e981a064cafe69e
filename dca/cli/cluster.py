"""Commands for studies on a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dca.cli.options import command, settings

RESUME = """Go on with a study whose Snakemake was killed or lost its terminal. Run it in the study's
folder, with the arguments that Snakemake had, after two dashes:

  dca resume -- -s <clone>/Snakefile --configfile my.yaml --profile <clone>/slurm --profile mysite

It tries the arguments in a dry run, cancels the study's jobs that are still in Slurm's queue (a
training leaves a checkpoint first) or waits for them, unlocks the folder, and becomes that
snakemake with --rerun-incomplete."""


def register(groups: Any) -> None:
    """Add the commands to a parser."""
    resume = groups.add_parser(
        "resume",
        help="go on with a study on a cluster after Snakemake was killed",
        description=RESUME,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    resume.set_defaults(run=_resume)
    resume.add_argument("--wait", action="store_true", help="let leftover jobs finish")
    resume.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="arguments of snakemake")

    plan = command(
        groups, "plan", _plan, "predict jobs, core-hours, memory and disk of a study", settings=True
    )
    plan.add_argument("--runs", type=_count, help="how many runs (those of the study's inputs)")
    plan.add_argument("--subjects", type=_count, help="with --runs: of how many subjects (as many)")
    plan.add_argument(
        "--voxels", type=_count, help="in-mask voxels of a run (the inputs'; else 201218: 2 mm)"
    )
    plan.add_argument("--volumes", type=_count, default=284, help="with --runs: volumes of a run (284)")
    plan.add_argument("--gpu-rate", type=_count, help="train on GPUs, each at so many series per second")
    plan.add_argument("--profile", action="append", default=[], help="site's profile, for group-components")


def _count(text: str) -> int:
    """Read a whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _resume(arguments: argparse.Namespace) -> None:
    from dca.cluster.resume import resume

    resume(Path.cwd(), arguments.arguments, arguments.wait)


def _plan(arguments: argparse.Namespace) -> None:
    from dca.cluster.plan import (
        PROFILE,
        VOXELS,
        Size,
        count_anatomies,
        group_sizes,
        plan,
        registers_anatomies,
    )
    from dca.cluster.voxels import voxels
    from dca.inputs import refresh

    config = settings(arguments)
    if arguments.runs:
        subjects = arguments.subjects or arguments.runs
        held_out = config["input"]["validation"]
        wanted = len(set(held_out)) if isinstance(held_out, list) else round(held_out * subjects)
        number = min(max(wanted, 1), subjects - 1) if held_out else 0  # as the split of real runs
        training = arguments.runs - number * arguments.runs // subjects
        count, source = arguments.voxels or VOXELS, "as told"
        anatomies = subjects if registers_anatomies(config) else 0
        size = Size(subjects, arguments.runs, training, count, arguments.volumes, anatomies)
    else:
        runs = refresh(config, Path.cwd(), config["results"])
        training = sum(run.split == "train" for run in runs)
        subjects = len({run.subject for run in runs})
        count, source = (arguments.voxels, "as told") if arguments.voxels else voxels(runs, config)
        volumes = min(run.volumes for run in runs)
        size = Size(subjects, len(runs), training, count, volumes, count_anatomies(runs, config))
    groups = group_sizes([PROFILE, *arguments.profile])
    table = plan(size, config, groups, arguments.gpu_rate)
    print(table.round(1).to_string())  # noqa: T201
    print(f"{size.runs} runs of {count} in-mask voxels ({source}) x {size.volumes} volumes.")  # noqa: T201
