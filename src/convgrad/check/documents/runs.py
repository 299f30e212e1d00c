r"""The parts of a text in order: prose, formulas between marks (`$`, `$$`, `\(`, `\[`), programs, what they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

ENVIRONMENTS = "equation|align|alignat|gather|multline|eqnarray|displaymath|math|flalign"
MATHEMATICS = re.compile(
    r"(?P<escaped>\\[\\$])"
    r"|(?P<code>(?P<ticks>`+)(?P<span>.+?)(?P=ticks))"
    r"|\$\$(?P<two>.+?)\$\$"
    r"|\\\[(?P<square>.+?)\\\]"
    r"|\\\((?P<round>.+?)\\\)"
    rf"|\\begin\{{(?P<kind>(?:{ENVIRONMENTS})\*?)\}}(?P<inside>.+?)\\end\{{(?P=kind)\}}"
    r"|\$(?=\S)(?P<one>(?:\\.|[^$\\`])+?)(?<=\S)\$(?!\d)",
    re.DOTALL,
)
PARTS = {"two": True, "square": True, "inside": True, "round": False, "one": False}
"""Groups of `MATHEMATICS` that hold a formula -> whether it stands on lines of its own."""


class Kind(Enum):
    """What a part of a document is."""

    PROSE = "prose"
    FORMULA = "formula"
    SPAN = "code in a sentence"
    PROGRAM = "program"
    OUTPUT = "output"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file; in a notebook of a cell."""

    line: int
    cell: int = 0

    def __str__(self) -> str:
        return f"cell {self.cell}, line {self.line}" if self.cell else f"line {self.line}"

    def later(self, text: str) -> Place:
        """The place after so much text."""
        return replace(self, line=self.line + text.count("\n"))


@dataclass(frozen=True)
class Run:
    """A part of a document. `display`: of a formula, that it stands on lines of its own. `language`: of a program, as
    the document names it."""

    kind: Kind
    text: str
    place: Place
    display: bool = False
    language: str = ""


def runs_of(text: str, place: Place) -> Iterator[Run]:
    """Prose, and the formulas in it."""
    start = 0
    for match in MATHEMATICS.finditer(text):
        found = _found(match, place.later(text[: match.start()]))
        if found is None:
            continue
        if text[start : match.start()].strip():
            yield Run(Kind.PROSE, text[start : match.start()], place.later(text[:start]))
        yield found
        start = match.end()
    if text[start:].strip():
        yield Run(Kind.PROSE, text[start:], place.later(text[:start]))


def _found(match: re.Match[str], place: Place) -> Run | None:
    if match["escaped"]:
        return None
    if match["code"]:
        return Run(Kind.SPAN, match["span"].strip(), place)
    part = next(name for name in PARTS if match[name] is not None)
    before = match[0][: match[0].index(match[part])]
    return Run(Kind.FORMULA, match[part], place.later(before), PARTS[part])
