"""Documents to be printed: blocks, written as LaTeX, as PDF through Typst, or as a page of HTML."""

from convgrad.paper.blocks import Document
from convgrad.paper.write import FORMATS, write

__all__ = ["FORMATS", "Document", "write"]
