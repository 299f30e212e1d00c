"""TOML and JSON that somebody wrote, read in bounded time and memory; one message where that can't be done.

What comes back is no deeper than `DEEPEST`, has whole numbers of 64 bits and fractions that a float can be, and no half
characters.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from decimal import DecimalException
from math import isinf
from pathlib import Path
from typing import Any

from convgrad.errors import ConvgradError, DataError, quoted
from convgrad.system.files import check_regular

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LONGEST_FILE = 1 << 25
"""Bytes, 32 MiB: some million numbers, for which Python takes about a gigabyte and a minute."""
DEEPEST = 60
"""Tables and lists within each other: whatever reads them calls itself for each."""
PARTS = 30
"""Of a name in TOML, which has dots between: `conv1.dw` has two. Reading takes time by the square of their number."""
BITS = 64
"""Of a whole number, its sign included, as TOML has it."""
NAME = r"(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')"
LONG_NAME = re.compile(rf"(?<![\w-]){NAME}(?:[ \t]*\.[ \t]*{NAME}){{{PARTS},}}", re.ASCII)


def file_text(path: Path, error: type[ConvgradError] = DataError, what: str = "") -> str:
    """The text of a file in UTF-8, with or without the mark that some editors put before it.

    what: the words before its name in a message, such as `The model file`.

    Raises: `error` where it can't be read, is too long or no text; DataError for a pipe or a device.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as reason:
        said = reason.strerror if isinstance(reason, OSError) else reason
        raise error(f"{what} {path} can't be read: {said}.".lstrip()) from None
    return as_text(content, str(path), error)


def as_text(content: bytes, name: str, error: type[ConvgradError] = DataError) -> str:
    """The bytes of a text file as text. Raises: `error` where they are too many, or not UTF-8."""
    if len(content) > LONGEST_FILE:
        raise error(f"{name} has more than {LONGEST_FILE:,} bytes, the limit for a file of this kind.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise error(f"{name} is not UTF-8 text: {reason}.") from None


def toml_from(
    text: str, name: str, error: type[ConvgradError] = DataError, fraction: Callable[[str], Any] = float
) -> dict[str, Any]:
    """The content of a TOML text; messages call it `name`.

    fraction: makes a number of a text such as 0.580; float or Decimal.

    Raises: `error` where it is none, or has what `convgrad.system.texts` does not take.
    """
    if LONG_NAME.search(text):
        raise error(f"{name} has a name of more than {PARTS} parts; `conv1.dw` has two.")
    content: dict[str, Any] = _parsed(
        lambda: tomllib.loads(text, parse_float=lambda number: _fraction(number, fraction)), "TOML file", name, error
    )
    return content


def json_from(text: str, name: str) -> Any:
    """The content of a JSON text; messages call it `name`. NaN and Infinity, which Python writes, are taken.

    Raises: DataError where it is none, or has what `convgrad.system.texts` does not take.
    """

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise ValueError(f"it has {quoted(repr(twice))} twice in one table")
        return found

    return _parsed(
        lambda: json.loads(text, parse_float=lambda number: _fraction(number, float), object_pairs_hook=table),
        "JSON file, or was cut off",
        name,
        DataError,
    )


def _parsed(read: Callable[[], Any], kind: str, name: str, error: type[ConvgradError]) -> Any:
    try:
        content = read()
        _check(content)
    except RecursionError:
        raise error(f"{name} has tables and lists nested more than {DEEPEST} deep.") from None
    except MemoryError:
        raise error(f"{name} does not fit in memory.") from None
    except ValueError as reason:
        said = "it has a whole number of thousands of digits" if "integer string conversion" in str(reason) else reason
        raise error(f"{name} is not a {kind}: {said}.") from None
    return content


def _fraction(number: str, kind: Callable[[str], Any]) -> Any:
    try:
        value = kind(number)
        if isinf(value) and "inf" not in number:
            raise OverflowError
    except (OverflowError, DecimalException):
        raise ValueError(f"the number {quoted(number, 40)} is too large to compute with") from None
    return value


def _check(content: Any) -> None:
    """Raises: RecursionError, ValueError about what nobody may have to deal with who reads the content."""
    level: list[Any] = [content]
    depth = 0
    while level:
        if depth > DEEPEST:
            raise RecursionError
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value)
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
            else:
                _check_one(value)
        level, depth = inner, depth + 1


def _check_one(value: Any) -> None:
    if type(value) is int and value.bit_length() >= BITS:
        raise ValueError(f"it has a whole number of {value.bit_length():,} bits; the limit is {BITS - 1}")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the text {value[:40]!a} has half a character") from None
