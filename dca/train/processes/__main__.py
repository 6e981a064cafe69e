"""Entry points of processes that are not forked: ``python -m dca.train.processes supervisor`` or ``worker``.

The first is started by `supervised`, the second by a launcher.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys

from dca.train.processes.process import ASSIGNMENT_VARIABLE, Assignment, play, skip_optional_imports


def _supervise() -> None:
    told = json.loads(os.environ.pop(ASSIGNMENT_VARIABLE))

    def supervise() -> None:
        """Import only now: the parent's end is to be noticed from the start."""
        importlib.import_module(told["module"]).main(Assignment(told["fds"], told["task"]))

    # Told of its parent's end by SIGTERM, so that it can leave a checkpoint.
    play("supervisor", told["parent"], supervise, signal.SIGTERM)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    skip_optional_imports()
    if sys.argv[1] == "worker":
        importlib.import_module("dca.train.processes.client").main(sys.argv[2:])
    _supervise()
