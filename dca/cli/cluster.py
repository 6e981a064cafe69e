"""Commands for studies on a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

RESUME = """Go on with a study whose Snakemake was killed or lost its terminal. Run it in the study's
folder, with the arguments that Snakemake had, after two dashes:

  dca resume -- -s <clone>/Snakefile --configfile my.yaml --profile <clone>/slurm --profile mysite

It cancels the study's jobs that are still in Slurm's queue (a training leaves a checkpoint
first), or waits for them, unlocks the folder, and becomes that snakemake with
--rerun-incomplete."""


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


def _resume(arguments: argparse.Namespace) -> None:
    from dca.cluster.resume import resume

    resume(Path.cwd(), arguments.arguments, arguments.wait)
