"""The training record: history.tsv and timeline.tsv, whole at any moment."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from dca.errors import InputError
from dca.files import atomic, describe, read_tsv
from dca.train.losses import Losses

HISTORY = {
    "step": "Updates applied when the row was made, this one included",
    "epoch": "Epoch, from 0",
    "worker": "Worker, from 0; n/a for validation, and for an update of all workers together",
    "time_s": "Seconds since training began, interruptions left out",
    "samples": "Voxel series used so far, all workers together",
    "loss": "½‖x−x̂‖² + ½λ‖Z−Z'‖², mean over the batch (eq. 5)",
    "reconstruction_loss": "½‖x−x̂‖², mean over the batch",
    "feature_loss": "½λ‖Z−Z'‖², mean over the batch",
    "learning_rate": "of the optimiser for this update, after the ramp",
    "staleness": "Updates between the fetch of the weights and this one; with overlap also one of its own",
    "samples_per_s": "Voxel series per second of this worker, or of all in step, since its last row",
    "stall": "Share of the time since its last row that this worker waited for rows; mean of all in step",
    "split": "train: one update; validation: mean over the held-out rows",
}
TIMELINE = {
    "worker": "Worker, from 0",
    "phase": "read, compute, exchange, update, validate, checkpoint, start-up, wait, leave or lost",
    "start_s": "Seconds since training began",
    "end_s": "Seconds since training began",
    "step": "Updates applied by then, of all workers together",
}
FLUSH_S = 10.0


class Record:
    """A growing table that is rewritten atomically now and then.

    Who adds a row waits for no disk: each row is made into text once, when it is added, and a thread writes
    all of them.

    Parameters
    ----------
    path : path
        Ends in ``.tsv``.
    columns : dict
        `HISTORY` or `TIMELINE`.
    keep : int or None
        None starts afresh. A number goes on with the rows of an earlier run whose ``step`` is not
        above it: the step of the checkpoint that training resumes from.

    Notes
    -----
    A copy lies with the checkpoints, and earlier rows are read from it: a workflow manager deletes the
    outputs of an interrupted job, these tables among them.
    """

    def __init__(self, path: str | Path, columns: dict[str, str], keep: int | None = None) -> None:
        self.path, self.columns = Path(path), columns
        self._copy = self.path.parent / "checkpoints" / self.path.name
        self._rows: list[dict[str, Any]] = [] if keep is None else _earlier(self._copy, columns, keep)
        self._lines = ["\t".join(columns) + "\n", *map(self._line, self._rows)]
        self._thread = ThreadPoolExecutor(1, "record")
        self._writing: Future[None] | None = None
        self._next_write = time.monotonic() + FLUSH_S

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, **values: Any) -> None:
        """Append a row; what is not given is n/a. Every few seconds the file is brought up to date.

        Raises
        ------
        OutputError
            If that could not be done the last time.
        """
        unknown = values.keys() - self.columns.keys()
        if unknown:
            raise ValueError(f"unknown columns: {sorted(unknown)}")
        self._rows.append(values)
        self._lines.append(self._line(values))
        if self._writing is not None and self._writing.done():
            written, self._writing = self._writing, None
            written.result()
        if self._writing is None and time.monotonic() >= self._next_write:
            self._writing = self._thread.submit(self._write)

    def _line(self, values: dict[str, Any]) -> str:
        cells = (values.get(name) for name in self.columns)
        return "\t".join("n/a" if cell is None or cell != cell else str(cell) for cell in cells) + "\n"

    def flush(self) -> None:
        """Write the file now, and wait for it; any thread may."""
        self._thread.submit(self._write).result()

    def _write(self) -> None:
        begin = time.monotonic()
        describe(self.path, self.columns)
        with atomic(self.path) as temporary:
            temporary.write_text("".join(self._lines), encoding="utf-8")
        with atomic(self._copy) as temporary:
            shutil.copyfile(self.path, temporary)
        end = time.monotonic()
        # A long table takes longer to write: at most a twentieth of the time goes into it.
        self._next_write = end + max(FLUSH_S, 20 * (end - begin))

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    def training_loss(self, updates: int) -> Losses | None:
        """Average the losses of the last `updates` training rows of a history."""
        return _mean([row for row in self._rows if row["split"] == "train"][-updates:])

    def validation_losses(self) -> tuple[Losses | None, Losses | None]:
        """Return the first and the last validation losses of a history."""
        rows = [row for row in self._rows if row["split"] == "validation"]
        return _mean(rows[:1]), _mean(rows[-1:])

    def stall(self) -> float | None:
        """Average the share of time waited for rows over the training rows of a history."""
        rows = [row for row in self._rows if row["split"] == "train"]
        shares = [float(row["stall"]) for row in rows if pd.notna(row["stall"])]
        return round(sum(shares) / len(shares), 4) if shares else None


def _mean(rows: list[dict[str, Any]]) -> Losses | None:
    if not rows:
        return None
    names = ("loss", "reconstruction_loss", "feature_loss")
    return Losses(*(sum(float(row[name]) for row in rows) / len(rows) for name in names))


def _earlier(path: Path, columns: dict[str, str], keep: int) -> list[dict[str, Any]]:
    try:
        table = read_tsv(path)
    except InputError:
        return []
    if not set(table.columns) <= columns.keys():
        return []
    # A column that an older version did not write stays empty.
    table = table.reindex(columns=list(columns))
    return [{str(k): v for k, v in row.items()} for row in table[table["step"] <= keep].to_dict("records")]
