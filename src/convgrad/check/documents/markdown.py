"""Markdown, and plain text as a forum has it: programs in fences or indented, formulas between marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convgrad.check.documents.runs import Kind, Place, Run, runs_of

FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})\s*\{?\.?([\w+-]*)[^`]*$")
LIST = re.compile(r"\s*([-*+]|\d+[.)])\s")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INDENT = 4
OUTPUTS = {"text", "txt", "output", "console", "plaintext"}
"""What blocks are called that hold no program."""


def markdown_runs(text: str, cell: int = 0) -> Iterator[Run]:
    """The parts of a text in Markdown."""
    lines = COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text).split("\n")
    prose: list[str] = []
    first, number = 1, 0

    def said() -> Iterator[Run]:
        yield from runs_of("\n".join(prose), Place(first, cell))
        prose.clear()

    while number < len(lines):
        fence = FENCE.match(lines[number])
        if fence:
            yield from said()
            stop = _closing(lines, number + 1, fence[2])
            yield _block(lines[number + 1 : stop], fence[3], Place(number + 2, cell))
            number = stop + 1
        elif _begins_indented(lines, number, prose):
            yield from said()
            stop = number
            while stop < len(lines) and (not lines[stop].strip() or _is_indented(lines[stop])):
                stop += 1
            yield _block([line.expandtabs(INDENT)[INDENT:] for line in lines[number:stop]], "", Place(number + 1, cell))
            number = stop
        else:
            first = first if prose else number + 1
            prose.append(re.sub(r"^ {0,3}>+ ?", "", lines[number]))
            number += 1
    yield from said()


def _closing(lines: list[str], start: int, mark: str) -> int:
    for number in range(start, len(lines)):
        if re.fullmatch(rf" {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}\s*", lines[number]):
            return number
    return len(lines)


def _is_indented(line: str) -> bool:
    return line.expandtabs(INDENT).startswith(" " * INDENT)


def _begins_indented(lines: list[str], number: int, prose: list[str]) -> bool:
    """Whether indented code begins here: after an empty line, and not within a list or a formula."""
    if not _is_indented(lines[number]) or not lines[number].strip() or (prose and prose[-1].strip()):
        return False
    said = "\n".join(prose)
    if said.count("$$") % 2 or said.count("\\[") > said.count("\\]") or said.count("\\begin") > said.count("\\end"):
        return False
    before = next((line for line in reversed(prose) if line.strip() and not _is_indented(line)), "")
    return not LIST.match(before)


def _block(lines: list[str], language: str, place: Place) -> Run:
    text = "\n".join(lines).rstrip()
    kind = Kind.OUTPUT if language.lower() in OUTPUTS else Kind.PROGRAM
    if language.lower() in ("math", "latex", "tex"):
        return Run(Kind.FORMULA, text, place, display=True)
    return Run(kind, text, place, language=language.lower())
