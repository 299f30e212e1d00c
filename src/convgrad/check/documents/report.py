"""The verdict on a whole document: each part in order, and how many claims are right."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.verdict import Verdict

WIDTH, NARROWEST = 88, 40
LONGEST = 400
"""Characters of a part that are quoted."""


@dataclass(frozen=True)
class DocumentReport:
    """What a document claims, part by part.

    name: of the document. parts: in its order. ran: how many programs were run, and whether in a sandbox.
    """

    name: str
    parts: tuple[Judged, ...]
    ran: int = 0
    sandbox: bool = False

    @property
    def verdict(self) -> Verdict:
        """Right where all claims are, and there is one at least."""
        marks = [part.mark for part in self.parts if part.mark.is_claim]
        if Mark.WRONG in marks:
            return Verdict.WRONG
        return Verdict.RIGHT if marks and all(mark.is_right for mark in marks) else Verdict.NOT_CHECKED

    @property
    def ok(self) -> bool:
        """Whether all that it claims is right."""
        return self.verdict is Verdict.RIGHT

    @property
    def summary(self) -> str:
        """`12 claims: 11 right, 1 not understood; 2 definitions`."""
        marks = [part.mark for part in self.parts]
        claims = sum(mark.is_claim for mark in marks)
        if not claims:
            return "no claim was found: no equation to check, no size, no number, no program"
        counts = {
            "right": sum(mark.is_right for mark in marks),
            "wrong": marks.count(Mark.WRONG),
            "following from a wrong line": marks.count(Mark.FOLLOWS),
            "not understood": marks.count(Mark.NOT_UNDERSTOOD),
        }
        told = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
        others = {"definition": marks.count(Mark.DEFINITION), "given part": marks.count(Mark.GIVEN)}
        also = ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for word, n in others.items() if n)
        return f"{claims} claim{'s' if claims > 1 else ''}: {told}" + (f"; {also}" if also else "")

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        return {
            "verdict": str(self.verdict),
            "ok": self.ok,
            "name": self.name,
            "summary": self.summary,
            "programs_run": self.ran,
            "sandbox": self.sandbox,
            "parts": [part.to_json() for part in self.parts],
        }

    def __str__(self) -> str:
        return self.text(WIDTH)

    def text(self, width: int = WIDTH) -> str:
        """For so many columns."""
        width = max(width, NARROWEST)
        run = f"{self.ran} program{'s' if self.ran > 1 else ''} run {'in a' if self.sandbox else 'without a'} sandbox"
        first = f"{self.verdict}: {self.name}, {self.summary}" + (f"; {run}" if self.ran else "")
        lines = textwrap.wrap(first, width, subsequent_indent="  ")
        for part in self.parts:
            lines += _told(part, width)
        return "\n".join(lines)


def _told(part: Judged, width: int) -> Iterator[str]:
    from_line = f" ({part.from_line})" if part.from_line is not None else ""
    yield from textwrap.wrap(f"{part.place}, {part.what}: {part.mark.value}{from_line}", width, subsequent_indent="  ")
    quoted = part.text if len(part.text) <= LONGEST else f"{part.text[:LONGEST]}..."
    lines = quoted.split("\n") if part.what == "program" else [" ".join(quoted.split())]
    for line in lines:
        yield from _wrapped(line, width, "    ")
    for words in part.words:
        if words.startswith("    "):
            yield from _pointed(words.strip("\n").split("\n"), width)
        else:
            yield from _wrapped(words, width, "  ")


def _pointed(lines: list[str], width: int) -> Iterator[str]:
    """A line with carets under it, and of a long one the part around them."""
    room = width - 4
    text, carets = (line[4:] for line in (lines if len(lines) == 2 else (lines[0], "")))
    start = 0
    if len(text) > room:
        middle = (carets.find("^") + len(carets)) // 2 if "^" in carets else 0
        start = max(0, min(middle - room // 2, len(text) - room))
    yield f"    {text[start : start + room]}"
    if carets.strip():
        yield f"    {carets[start : start + room]}".rstrip()


def _wrapped(line: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        line, width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    ) or [""]
