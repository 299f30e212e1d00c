"""Lines that fit a terminal: long ones go on below, under what they belong to, and no word or product is cut."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from itertools import pairwise

NARROWEST = 40
"""Columns below which nothing is made to fit any more."""
LABEL = re.compile(r"\s*(?:equation|indices|numbers|made of|from)\s\s+")
"""What stands before a formula in an explanation; the formula goes on under its own beginning."""
OPERATOR = re.compile(r" ([-+*=]) (?=\S)")
GLUE = "\0"


def fitted(text: str, width: int) -> str:
    """The text in lines of at most `width` columns, where its words allow that.

    Of a line with carets under it, the part around them is kept.

    >>> print(fitted("  numbers   0.0686*0.88 + 0.0364*0.62 + 0.0467*0.20 = 0.0923", 42))
      numbers   0.0686*0.88 + 0.0364*0.62
                + 0.0467*0.20 = 0.0923
    """
    width = max(width, NARROWEST)
    lines: list[str] = []
    above = ""
    given = [*text.split("\n"), ""]
    for line, below in pairwise(given):
        if _is_carets(below) and max(len(line), len(below)) > width:
            start = _beginning(line, below, width)
            lines.append(_part(line, start, width))
        elif _is_carets(line) and lines and max(len(above), len(line)) > width:
            lines.append(_part(line, _beginning(above, line, width), width))
        else:
            lines += [line] if len(line) <= width else _folded(line, width)
        above = line
    return "\n".join(lines)


def listed(entries: Mapping[str, str] | Iterable[tuple[str, str]], width: int) -> str:
    """Names with a text each, in two columns.

    >>> print(listed({"relu": "the greater of a number and 0", "tanh": "between -1 and 1"}, 24))
    relu  the greater of a
          number and 0
    tanh  between -1 and 1
    """
    pairs = list(entries.items() if isinstance(entries, Mapping) else entries)
    column = max((len(name) for name, _ in pairs), default=0) + 2
    lines: list[str] = []
    for name, text in pairs:
        head = f"{name:{column}}"
        lines += textwrap.wrap(
            text,
            max(width, column + 10),
            initial_indent=head,
            subsequent_indent=" " * column,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [name]
    return "\n".join(lines)


def _folded(line: str, width: int) -> list[str]:
    label = LABEL.match(line)
    indent = len(label[0]) if label else len(line) - len(line.lstrip()) + 4
    indent = min(indent, width // 2)
    glued = OPERATOR.sub(lambda match: f" {match[1]}{GLUE}", line)
    parts = textwrap.wrap(
        glued,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    return [part.replace(GLUE, " ") for part in parts]


def _is_carets(line: str) -> bool:
    return bool(line.strip()) and not line.strip().strip("^")


MARGIN = 4
"""Columns before an equation that is quoted."""


def _beginning(line: str, carets: str, width: int) -> int:
    """Where the part of a line begins in which its carets, or the first of them, are seen."""
    room = width - MARGIN
    first, last = carets.find("^"), len(carets.rstrip())
    return max(MARGIN, min(first, (first + last) // 2 - room // 2, max(len(line), last) - room))


def _part(line: str, start: int, width: int) -> str:
    return (" " * MARGIN + line[start : start + width - MARGIN]).rstrip()
