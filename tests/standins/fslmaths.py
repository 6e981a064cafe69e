"""Stand-in for fslmaths: niimath, which is made to be compatible with it."""

import subprocess
import sys

import niimath
from common import run_as_program


def main(arguments: list[str]) -> None:
    sys.exit(subprocess.run([niimath.bin, *arguments]).returncode)


if __name__ == "__main__":
    run_as_program(main)
