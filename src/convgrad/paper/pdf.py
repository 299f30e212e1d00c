"""Typst to PDF. Everything comes from memory: no file, no network, no fonts but the library's own."""

from __future__ import annotations

from convgrad.paper.blocks import Document
from convgrad.paper.typst import typst_document


def pdf(document: Document) -> bytes:
    """The document as PDF, the same bytes each time: it has no date."""
    import typst  # a large library, which only documents need

    found = typst.Compiler(typst_document(document).encode(), ignore_system_fonts=True).compile(format="pdf")
    assert isinstance(found, bytes)  # it is, where no file is named to write to
    return found
