"""Tables that users wrote: read as text, forgiving in form and strict in content."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dca.errors import InputError

MISSING = ("", "n/a")


def read_text(path: str | Path) -> pd.DataFrame:
    """Read a TSV as text.

    Byte-order marks, any line ends, blank rows, trailing tabs, spaces and quotes around cells (R
    writes them) make no difference. A quote inside a cell is a character, so that it cannot
    swallow rows, as it would in a CSV reader.

    Returns
    -------
    DataFrame of object
        Text, or None where empty or ``n/a``. The index is the line in the file, for messages.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty, not text, or has rows longer than its header.
    """
    remedy = "write tab-separated columns with a header, in UTF-8"
    rows = {number: _cells(line) for number, line in _lines(path, remedy)}
    rows = {number: cells for number, cells in rows.items() if cells}
    if not rows:
        raise InputError(path, "is not a table (it is empty)", remedy)
    header = rows.pop(next(iter(rows)))
    for number, cells in rows.items():
        if len(cells) > len(header):
            raise InputError(path, f"is not a table (line {number} is longer than the header)", remedy)
        cells += [None] * (len(header) - len(cells))
    columns = pd.Index([name or "" for name in header], dtype=object)
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=columns, dtype=object)


def read_words(path: str | Path) -> dict[int, list[str]]:
    """Read a table without header, with columns apart by spaces or tabs: words by line of the file.

    Raises
    ------
    InputError
        If the file is missing, unreadable or not text.
    """
    lines = _lines(path, "write columns of numbers, in UTF-8")
    return {number: words for number, line in lines if (words := line.split())}


def _lines(path: str | Path, remedy: str) -> list[tuple[int, str]]:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", "check the path") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the file") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not a table ({error})", remedy) from error
    return list(enumerate(lines, start=1))


def _cells(line: str) -> list[str | None]:
    """Cells of a line, without empty ones at its end."""
    bare = [cell.strip().strip('"').strip() for cell in line.split("\t")]
    while bare and not bare[-1]:
        bare.pop()
    return [None if cell in MISSING else cell for cell in bare]
