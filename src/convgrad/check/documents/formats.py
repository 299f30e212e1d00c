"""Which kind of text a document is, and its parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath

from convgrad.check.documents.markdown import markdown_runs
from convgrad.check.documents.notebook import notebook_runs
from convgrad.check.documents.runs import Run
from convgrad.check.documents.tex import tex_runs
from convgrad.check.documents.webpage import web_runs

READERS: dict[str, Callable[[str, str], list[Run]]] = {
    ".md": lambda text, name: list(markdown_runs(text)),
    ".tex": lambda text, name: list(tex_runs(text)),
    ".ipynb": lambda text, name: list(notebook_runs(text, name)),
    ".html": lambda text, name: list(web_runs(text)),
}
"""Ending of a file -> its reader, a function of text and name."""
SAME = {".markdown": ".md", ".txt": ".md", ".htm": ".html", ".xhtml": ".html", ".latex": ".tex"}
TAGS = re.compile(r"<(?:!doctype|html|body|div|p|pre|span|article|h[1-6]|script|math)\b[^>]*>", re.IGNORECASE)


def is_document(name: str) -> bool:
    """Whether a name is that of a document: a file with such an ending, or `-` for standard input."""
    ending = PurePath(name).suffix.lower()
    return name == "-" or ending in READERS or ending in SAME


def is_web_page(name: str) -> bool:
    """Whether a name is that of a web page."""
    ending = PurePath(name).suffix.lower()
    return SAME.get(ending, ending) == ".html"


def runs_in(text: str, name: str) -> list[Run]:
    """The parts of a document. Raises: DataError where a notebook can't be read."""
    ending = PurePath(name).suffix.lower()
    return READERS[SAME.get(ending, ending) if ending in READERS or ending in SAME else _looks_like(text)](text, name)


def _looks_like(text: str) -> str:
    """The ending that a text without a name would have."""
    start = text.lstrip()
    if start.startswith("{") and '"cells"' in text:
        return ".ipynb"
    if re.search(r"\\documentclass|\\begin\{document\}|\\(?:sub)*section\{", text):
        return ".tex"
    without_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return ".html" if TAGS.search(without_code) else ".md"
