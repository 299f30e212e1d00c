"""Are my numbers correct? A sheet that is filled in on the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convgrad.check.sheets.sheet import mark
from convgrad.check.sheets.sheet_file import read_decimals, read_results, read_text, read_told, read_trace
from convgrad.errors import DataError
from convgrad.explain.page.model import MOST_NUMBERS
from convgrad.questions.reading import check_depth

SHEET = Path("sheet")
"""How messages call a sheet that comes from the page."""
LARGEST_SIZE = 1000
"""Of an axis in a sheet."""


def check(asked: Mapping[str, Any]) -> dict[str, Any]:
    """{"sheet": text of a sheet (docs/checking.md)} -> its marks: {"ok", "causes", "tensors": [{"name", "mark",
    "marks", "expected", "cause", ...}]}. Raises: ConvgradError.
    """
    sheet = asked.get("sheet")
    if not isinstance(sheet, str):
        raise DataError('A check takes {"sheet": "..."}, the text of a sheet.')
    content = read_text(sheet, str(SHEET))
    check_depth(content)
    results = read_results(content, SHEET)
    trace = read_trace(content, SHEET, most=MOST_NUMBERS, largest=LARGEST_SIZE)
    decimals = read_decimals(content, SHEET, trace)
    return mark(trace, results, SHEET, decimals, told=read_told(content, SHEET)).to_json()
