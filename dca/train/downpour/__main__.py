"""Entry point of the supervisor: ``python -m dca.train.downpour supervisor``, started by `launch`."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal

from dca.train.downpour.process import ASSIGNMENT_VARIABLE, Assignment, play, skip_optional_imports

if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    skip_optional_imports()
    told = json.loads(os.environ.pop(ASSIGNMENT_VARIABLE))

    def supervise() -> None:
        """Import only now: the parent's end is to be noticed from the start."""
        importlib.import_module(told["module"]).main(Assignment(told["fds"], told["task"]))

    # Told of its parent's end by SIGTERM, so that it can leave a checkpoint.
    play("supervisor", told["parent"], supervise, signal.SIGTERM)
