"""Notebooks of Jupyter: cells of Markdown, programs, and what they printed when they were saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convgrad.check.documents.markdown import markdown_runs
from convgrad.check.documents.runs import Kind, Place, Run
from convgrad.errors import DataError
from convgrad.system.texts import json_from


def notebook_runs(text: str, name: str) -> Iterator[Run]:
    """The parts of a notebook. Raises: DataError where it is none."""
    content = json_from(text, name)
    cells = content.get("cells") if isinstance(content, Mapping) else None
    if not isinstance(cells, list):
        raise DataError(f"{name} is not a notebook: it has no list of cells. Save it as .ipynb of version 4.")
    for number, cell in enumerate(cells, 1):
        kind = cell.get("cell_type") if isinstance(cell, Mapping) else None
        if not isinstance(cell, Mapping) or not isinstance(kind, str):
            raise DataError(f"{name} is not a notebook: cell {number} has no cell_type.")
        source = _text(cell.get("source"))
        if kind == "code":
            if source.strip():
                yield Run(Kind.PROGRAM, source, Place(1, number), language="python")
            yield from _outputs(cell.get("outputs"), Place(1, number))
        elif kind == "markdown":
            yield from markdown_runs(source, number)


def _outputs(outputs: Any, place: Place) -> Iterator[Run]:
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, Mapping):
            continue
        data = output.get("data")
        said = _text(data.get("text/plain") if isinstance(data, Mapping) else output.get("text"))
        if said.strip() and output.get("name") != "stderr":
            yield Run(Kind.OUTPUT, said, place)


def _text(source: Any) -> str:
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""
