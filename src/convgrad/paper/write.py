"""A document to a file, in the format that its ending asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from convgrad.errors import DataError
from convgrad.paper.blocks import Document
from convgrad.paper.html import html_document
from convgrad.paper.latex import latex_document
from convgrad.paper.pdf import pdf
from convgrad.system.files import write_file

FORMATS: Mapping[str, Callable[[Document], bytes]] = {
    ".pdf": pdf,
    ".html": lambda document: html_document(document).encode(),
    ".tex": lambda document: latex_document(document).encode(),
}


def write(document: Document, path: Path, suffix: str | None = None) -> None:
    """Write the document. suffix: in place of the path's own.

    Raises: DataError where the ending is none of `FORMATS` or the file can't be written.
    """
    write_file(path, rendering(path, suffix)(document))


def rendering(path: Path, suffix: str | None = None) -> Callable[[Document], bytes]:
    """What writes files of this ending. Raises: DataError where nothing does."""
    found = FORMATS.get((suffix or path.suffix).lower())
    if found is None:
        raise DataError(f"{path} ends in none of {', '.join(FORMATS)}, so its format is unknown.")
    return found
