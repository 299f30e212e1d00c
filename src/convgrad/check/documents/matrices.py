r"""Numbers in a document: matrices of LaTeX, lists, what programs print. Each stands for all that rounds to it."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from convgrad.check.problems.problem import Array
from convgrad.check.sheets.numbers import Written
from convgrad.errors import DataError

NUMBER = (
    r"[-+\u2212]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+|\s*\\(?:times|cdot)\s*10\s*\^\s*\{?\s*[-+\u2212]?\d+\s*\}?)?"
)
MATRIX = re.compile(
    r"\\begin\{(?P<kind>[bpvBV]?matrix|smallmatrix|array)\}(?:\{[^}]*\})?(?P<body>.*?)\\end\{(?P=kind)\}", re.DOTALL
)
WRAPPING = re.compile(
    r"\\(?:left|right|big+[lr]?|Big+[lr]?)\s*(?=[()\[\]|.])|\\(?:,|;|!|quad|qquad)|(?<=\))\^\{?(?:T|\\top)\}?|[{}]"
)
ROUNDING = 1e-12
"""Relative: what float64 does to a number of a dozen digits."""


def matrix_of(text: str) -> Written | None:
    r"""The numbers of a matrix, a row `(1, 2)`, lists `[[1, 2], [3, 4]]`, or one number; None for something else."""
    match = MATRIX.search(text)
    if match:
        around = WRAPPING.sub("", text[: match.start()] + text[match.end() :]).strip(" \n\t()[].,;")
        transposed = bool(re.fullmatch(r"\^\{?(?:T|\\top)\}?", around.strip()))
        if around and not transposed:
            return None
        rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", match["body"].replace("\\hline", "")) if row.strip()]
        found = _written([[_number(cell) for cell in row.split("&")] for row in rows])
        return _turned(found) if found is not None and transposed else found
    return _list_of(text)


def _list_of(text: str) -> Written | None:
    plain = WRAPPING.sub("", text).strip(" .;\n\t")
    single = _number(plain)
    if single is not None:
        return _written(single)
    if not re.fullmatch(rf"[\[(](?:[\s,\[\]()]|{NUMBER})*[\])]", plain):
        return None
    return printed_array(plain, 0)


def printed_array(text: str, places: int | None = None) -> Written | None:
    """Nested brackets of numbers, with commas or blanks between, as Python prints them.

    places: None where each number has as many decimals as the longest one, as NumPy leaves zeros out at the end.
    """
    stack: list[list[Any]] = [[]]
    position = 0
    plain = text.replace("array(", "(").replace("tensor(", "(")
    plain = re.sub(r"^\(+(?=\[)|(?<=\])\)+$", "", plain.strip())
    for match in re.finditer(rf"(?P<open>[\[(])|(?P<close>[\])])|(?P<number>{NUMBER})|(?P<between>[\s,;]+)", plain):
        if match.start() != position:
            return None
        position = match.end()
        if match["open"]:
            stack.append([])
        elif match["close"]:
            if len(stack) < 2:
                return None
            inner = stack.pop()
            stack[-1].append(inner)
        elif match["number"]:
            stack[-1].append(_number(match["number"]))
    if position != len(plain) or len(stack) != 1 or len(stack[0]) != 1:
        return None
    found = _written(stack[0][0])
    if found is not None and places is None and found.halves.size:
        halves = found.halves[found.halves > 0]
        return Written(found.values, np.full(found.values.shape, halves.min() if halves.size else 0.0))
    return found


def _number(text: str) -> Decimal | int | None:
    plain = re.sub(r"\\(?:phantom\{[^}]*\}|,|;|!)|\s|[{}$]", "", text.replace("\u2212", "-"))
    plain = re.sub(r"\\(?:times|cdot)10\^", "e", plain)
    if re.fullmatch(r"[-+]?\d+", plain):
        return int(plain) if len(plain) < 18 else None
    if re.fullmatch(r"[-+]?\d{1,17}\.", plain):  # as NumPy writes a whole number
        return int(plain[:-1])
    try:
        return Decimal(plain) if re.fullmatch(NUMBER, plain) else None
    except InvalidOperation:
        return None


def _written(content: Any) -> Written | None:
    """None where something is no number, or rows are of several lengths."""
    try:
        return Written.of("numbers", content)
    except DataError:
        return None


def _turned(written: Written) -> Written:
    return Written(written.values.T, written.halves.T)


def agree(written: Written, values: Array, slack: Array | float = 0.0) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each number whether it is what a value rounds to, or a value that is off by `slack`."""
    room = written.halves + slack + ROUNDING * np.maximum(np.abs(written.values), np.abs(values))
    return np.asarray(np.abs(written.values - values) <= room)


def reshaped(written: Written, shape: tuple[int, ...]) -> Written | None:
    """The numbers in another shape, where only axes of size 1 differ: a column for a vector; None for others."""
    if tuple(s for s in written.values.shape if s != 1) != tuple(s for s in shape if s != 1):
        return None
    return Written(written.values.reshape(shape), written.halves.reshape(shape))
