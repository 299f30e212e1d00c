"""A table for spreadsheets that is whole at any time, and in which no cell is a formula."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from convgrad.errors import DataError
from convgrad.system.files import write_file

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a cell begins with that a spreadsheet may compute."""
QUOTED = (",", ";", "\t", '"', "\r", "\n")
"""What may end a cell, in one country or another."""


def cell(text: str) -> str:
    """One cell as a CSV file has it; one that could be taken for a formula begins with a quote, and is text then.

    >>> cell("=1+1"), cell("a;b")
    ("'=1+1", '"a;b"')
    """
    plain = f"'{text}" if text.startswith(FORMULA) else text
    return '"' + plain.replace('"', '""') + '"' if any(c in plain for c in QUOTED) else plain


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """The lines of a CSV file."""
    return "".join(",".join(map(cell, row)) + "\r\n" for row in rows)


def write_table(path: Path, text: str) -> None:
    """Put it in the place of what was there, whole. Raises: DataError; the old one is then still there."""
    write_file(path, text.encode())


def try_table(path: Path) -> bool:
    """Whether a table there can be replaced row by row; a pipe or a device takes it once.

    Raises: DataError where none can be written, before there is anything to write; nothing is changed.
    """
    try:
        place = Path(os.path.realpath(path))
        mode = _mode(place)
        if mode is not None and stat.S_ISDIR(mode):
            raise DataError(f"Can't write {path}: it is a folder.")
        if mode is not None and not os.access(place, os.W_OK):
            raise DataError(f"Can't write {path}: it is read-only.")
        if mode is not None and not stat.S_ISREG(mode):
            return False
        with _beside(place) as unfinished:
            unfinished.write_bytes(b"")
    except OSError as error:
        raise DataError(f"Can't write {path}: {error.strerror}.") from None
    return True


def _mode(place: Path) -> int | None:
    try:
        return place.stat().st_mode
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A new file in the same folder, which goes if it is still there in the end."""
    path = place.parent / f".convgrad-{secrets.token_hex(6)}.unfinished"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield path
    finally:
        path.unlink(missing_ok=True)
