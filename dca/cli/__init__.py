"""The command `dca`: every stage on its own, without Snakemake."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dca import __version__
from dca.cli import cluster, commands
from dca.errors import DCAError
from dca.logs import start_logging

DESCRIPTION = """Deep convolutional-autoencoder features and brain networks from task fMRI.

Each command is one stage of the pipeline and calls the same function as its Snakemake rule.
Whole studies: snakemake -s <clone>/Snakefile --configfile my.yaml -c4"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after ``dca``; those of the process by default.

    Returns
    -------
    int
        0; 1 after an error of the user's, which is told in one line on stderr; 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        "dca", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"dca {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    groups = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.register(groups)
    cluster.register(groups)
    chosen = parser.parse_args(arguments)
    start_logging(format="%(levelname)s %(name)s: %(message)s")
    try:
        return chosen.run(chosen) or 0
    except DCAError as error:
        if chosen.debug:
            raise
        print(f"dca: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("dca: interrupted", file=sys.stderr)  # noqa: T201
        return 130
