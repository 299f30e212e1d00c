"""Typst to PDF or to images. Everything comes from memory: no file, no network, no fonts but the library's own."""

from __future__ import annotations

from typing import Literal

from convgrad.paper.blocks import Document
from convgrad.paper.typst import typst_document


def pdf(document: Document) -> bytes:
    """The document as PDF, the same bytes each time: it has no date."""
    return _pages(document, "pdf", None)[0]


def images(document: Document, ppi: float = 100) -> list[bytes]:
    """Its pages as PNG, to be looked at."""
    return _pages(document, "png", ppi)


def _pages(document: Document, form: Literal["pdf", "png"], ppi: float | None) -> list[bytes]:
    import typst  # a large library, which only documents need

    compiler = typst.Compiler(typst_document(document).encode(), ignore_system_fonts=True)
    found = compiler.compile(format=form, ppi=ppi)
    assert found is not None  # it is, where no file is named to write to
    return found if isinstance(found, list) else [found]
