"""What a page shows besides text: files beside it that load when they are seen, or all within the page."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import pandas as pd

from dca.errors import OutputError
from dca.report.picture import Picture, save_vector


@dataclass(frozen=True)
class Shown:
    """An image as the page names it.

    Attributes
    ----------
    src : str
        Address relative to the page, or ``data:``.
    width, height : int
        In CSS pixels.
    alt : str
    files : tuple of (str, str)
        Kind and address of the same figure in other formats, and of its numbers.
    data : str
        The results file that has its numbers, from the results folder on; empty where `files` have them.
    """

    src: str
    width: int
    height: int
    alt: str
    files: tuple[tuple[str, str], ...] = ()
    data: str = ""


@dataclass(frozen=True)
class Data:
    """Numbers that a script of the page reads when it needs them.

    Attributes
    ----------
    name : str
    source : str
        Address of a script file, or the id of an element of the page.
    inline : str
        JSON to be put into that element; empty where there is a file.
    """

    name: str
    source: str
    inline: str = ""


class Gallery:
    """Collects the images of a page; as a context, moves them into place when the page was written.

    Parameters
    ----------
    page : path
        The files go to the folder ``<stem>_files`` beside it, which is replaced as a whole.
    single_file : bool
        Write no file; images become ``data:`` addresses.
    formats : sequence of str
        ``svg``, ``pdf``: vector formats to write every figure in besides.
    viewers : bool
        Whether maps get viewers, pages of their own.

    Attributes
    ----------
    viewers : bool
        The same; never for a single file.
    data : list of Data
        All that was added with `add_data`.
    """

    def __init__(
        self,
        page: str | Path,
        single_file: bool = False,
        formats: Sequence[str] = (),
        viewers: bool = False,
    ) -> None:
        self.page, self.single_file, self.formats = Path(page), single_file, tuple(formats)
        self.viewers = viewers and not single_file
        self.folder = self.page.with_name(f"{self.page.stem}_files")
        self._temporary = self.folder.with_name(f".{self.folder.name}.{secrets.token_hex(4)}")
        self.data: list[Data] = []

    def __enter__(self) -> Gallery:
        if not self.single_file:
            try:
                self._temporary.mkdir(parents=True)
            except OSError as error:
                remedy = "choose a folder you may write to"
                raise OutputError(self.folder, f"cannot be written ({error.strerror})", remedy) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self.single_file:
            # Aside first: on NFS a folder with a file that someone reads can be renamed but not removed.
            old = self._temporary.with_name(f"{self._temporary.name}.old")
            with suppress(FileNotFoundError):
                self.folder.replace(old)
            self._temporary.replace(self.folder)
            shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(self._temporary, ignore_errors=True)

    def add(
        self, name: str, picture: Picture | None, table: pd.DataFrame | None = None, data: str = ""
    ) -> Shown | None:
        """Take in a figure, with the numbers that it shows, or where they are; None stays None.

        Parameters
        ----------
        name : str
            File name without suffix.
        picture : Picture or None
        table : DataFrame, optional
            Written beside it as TSV, where no results file has the numbers.
        data : str
            The results file that has them, from the results folder on.
        """
        if picture is None:
            return None
        src = self.add_image(f"{name}.png", picture.png)
        files = []
        if not self.single_file:
            files += [(suffix.upper(), self._vector(name, picture, suffix)) for suffix in self.formats]
            files.append(("PNG", src))
            if table is not None:
                path = self._temporary / f"{name}.tsv"
                table.to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
                files.append(("TSV", self._address(path.name)))
        known = tuple((kind, address) for kind, address in files if address)
        return Shown(src, picture.width, picture.height, picture.alt, known, data)

    def _vector(self, name: str, picture: Picture, suffix: str) -> str:
        """Write a picture in a vector format, and give its address; empty where it has none."""
        path = self._temporary / f"{name}.{suffix}"
        if picture.figure is not None:
            save_vector(picture.figure, path)
        elif suffix in picture.vectors:
            shutil.copyfile(picture.vectors[suffix], path)
        return self._address(path.name) if path.exists() else ""

    def add_image(self, name: str, content: bytes) -> str:
        """Take in an image file, and give its address."""
        if self.single_file:
            return f"data:image/{name.rsplit('.', 1)[-1]};base64,{base64.b64encode(content).decode('ascii')}"
        return self.add_file(name, content)

    def add_file(self, name: str, content: bytes) -> str:
        """Write a file beside the page, and give its address; not for a page that is a single file."""
        (self._temporary / name).write_bytes(content)
        return self._address(name)

    def add_data(self, name: str, content: Any) -> Data:
        """Take in JSON-able numbers for the page's script, under a name of their own."""
        # No letter of it may end the script element that it stands in.
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        if self.single_file:
            found = Data(name, f"data-{name}", text)
        else:
            (self._temporary / f"{name}.js").write_text(f"dcaData({json.dumps(name)},{text});", "utf-8")
            found = Data(name, self._address(f"{name}.js"))
        self.data.append(found)
        return found

    def _address(self, name: str) -> str:
        return f"{quote(self.folder.name, safe='')}/{quote(name, safe='')}"
