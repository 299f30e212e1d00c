"""Typst to PDF or to images. Everything comes from memory: no file, no network, no fonts but the library's own."""

from __future__ import annotations

from convgrad.paper.blocks import Document
from convgrad.paper.typst import typst_document


def pdf(document: Document) -> bytes:
    """The document as PDF, the same bytes each time: it has no date."""
    return _compiled(document, "pdf")[0]


def images(document: Document, ppi: float = 100) -> list[bytes]:
    """Its pages as PNG, to be looked at."""
    return _compiled(document, "png", ppi)


def _compiled(document: Document, form: str, ppi: float | None = None) -> list[bytes]:
    import typst  # a large library, which only documents need

    compiler = typst.Compiler(typst_document(document).encode(), ignore_system_fonts=True)
    found = compiler.compile(format=form, ppi=ppi)
    return found if isinstance(found, list) else [found]
