"""Works that the methods text cites, and their BibTeX: an entry for each one cited, and for no other."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

BIBLIOGRAPHY = Path(__file__).parent / "templates" / "references.bib"
_KEY = re.compile(r"@\w+\{([a-z]+\d{4}),")
_FIELD = r"\b{} = [{{\"](.+?)[}}\"](?:,|\n)"
_LETTERS = {'{\\"o}': "ö", "{\\'a}": "á", "{\\~n}": "ñ", "{\\'i}": "í", "{\\c c}": "ç"}


class Citations:
    """Gives citations to a text, and remembers them."""

    def __init__(self) -> None:
        self._cited: set[str] = set()

    def cite(self, key: str) -> str:
        """A work as a text cites it, as in ``Duchi et al., 2011``, without brackets.

        Parameters
        ----------
        key : str
            Of its entry in ``references.bib``.
        """
        entry = entries()[key]
        self._cited.add(key)
        return _label(entry)

    def bibtex(self) -> str:
        """Entries of all that was cited, in the order of ``references.bib``."""
        return "\n\n".join(entry for key, entry in entries().items() if key in self._cited)


@cache
def entries() -> dict[str, str]:
    """All entries of ``references.bib`` by key."""
    blocks = BIBLIOGRAPHY.read_text(encoding="utf-8").strip().split("\n\n")
    return {_KEY.match(block)[1]: block for block in blocks}  # type: ignore[index]


def _label(entry: str) -> str:
    author, year = (re.search(_FIELD.format(name), entry)[1] for name in ("author", "year"))  # type: ignore[index]
    for written, letter in _LETTERS.items():
        author = author.replace(written, letter)
    names = [name.split(",")[0] for name in author.split(" and ")]
    if len(names) > 2 or "others" in names:
        return f"{names[0]} et al., {year}"
    return f"{' and '.join(names)}, {year}"
