"""What every job of the workflow does around its work: a log, bounded threads, one-line errors."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dca.errors import DCAError
from dca.logs import start_logging

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def job(log: str | Path, threads: int = 1, progress: bool = False) -> Iterator[None]:
    """Send what the block prints to `log`; tell the user in one line why it failed.

    Parameters
    ----------
    log : path
        Overwritten. Takes messages, warnings, the output of child processes and tracebacks.
    threads : int
        Upper bound for numerical libraries that are loaded inside the block.
    progress : bool
        Leave progress bars on the terminal, where there is one: not in a job of a cluster.

    Raises
    ------
    SystemExit
        With status 1 for any error; the line is on stderr, the traceback in the log.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    with open(log, "w", buffering=1, encoding="utf-8") as record:
        os.dup2(record.fileno(), 1)
        os.dup2(record.fileno(), 2)
        handler = logging.StreamHandler(record)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        start_logging(handlers=[handler])
        logging.captureWarnings(True)
        if progress and terminal.isatty():
            sys.stderr = terminal
        try:
            yield
        except Exception as error:
            traceback.print_exc(file=record)
            known = isinstance(error, DCAError)
            line = str(error) if known else f"unexpected {type(error).__name__}: {error}"
            terminal.write(f"dca: {' '.join(line.split())} (log: {log})\n")
            # os._exit would skip the flushes; threads of libraries must not keep the job alive.
            raise SystemExit(1) from None
        finally:
            sys.stderr = sys.__stderr__
