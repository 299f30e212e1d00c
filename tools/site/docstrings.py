"""Docstrings of this project as Markdown, for the API reference.

They are plain text: an equation first, `name: what it is` a line, parts such as `Args:` with indented lines, examples
after `>>>`. Brackets and asterisks in them are mathematics and no links.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import griffe

from convgrad.errors import ConvgradError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import accesses

PART = re.compile(r"(Args|Attributes|Returns|Raises|Reference|Example):\s*(.*)")
NAMED = re.compile(r"([*\w.]+(?:, [*\w.]+)*): (.*)")
ENDS = (". ", ", ", " (", ".", "")
"""What an equation in a docstring may end with."""
CODE = re.compile(r"(`[^`]*`)")
SPECIAL = re.compile(r"([\\*_\[\]<>])")


class Docstrings(griffe.Extension):  # type: ignore[misc]  # types of what only `make docs` installs are not looked at
    """Replaces each docstring when the module that it is in is loaded."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """A docstring as Markdown."""
    blocks = re.split(r"\n\s*\n", docstring.strip("\n"))
    return "\n\n".join("\n".join(_block(block.split("\n"))) for block in blocks)


def _block(lines: list[str]) -> Iterator[str]:
    if lines[0].lstrip().startswith(">>>"):
        margin = len(lines[0]) - len(lines[0].lstrip())
        yield from ["```pycon", *(line[margin:] for line in lines), "```"]
    elif all(line.startswith("    ") for line in lines):
        yield from ["```text", *(line[4:] for line in lines), "```"]
    elif equation := _equation(lines[0]):
        yield from ["```text", equation, "```", ""]
        rest = [lines[0][len(equation) :].lstrip(".,: "), *lines[1:]]
        yield from _block(rest) if rest[0] else _block(rest[1:]) if rest[1:] else ()
    else:
        yield from _prose(lines)


def _equation(line: str) -> str | None:
    """The equation that a line begins with."""
    for end in ENDS:
        text = line.partition(end)[0] if end else line
        with contextlib.suppress(ConvgradError):
            if accesses(parse(text).result.term):
                return text
    return None


def _prose(lines: list[str]) -> Iterator[str]:
    """Sentences, names with what they are, and parts of these."""
    in_part = listed = False
    for place, line in enumerate(lines):
        part, text = PART.fullmatch(line), line.strip()
        if part:
            in_part, listed = not part[2], False
            yield f"\n**{part[1]}** {_literal(part[2])}".rstrip()
            if in_part and lines[place + 1 : place + 2] and lines[place + 1].lstrip().startswith(">>>"):
                yield "\n```pycon\n" + "\n".join(line.strip() for line in lines[place + 1 :]) + "\n```"
                return
            if in_part:
                yield ""
            continue
        margin = len(line) - len(line.lstrip())
        named = NAMED.fullmatch(text) if margin == (4 if in_part else 0) else None
        if named and not (listed and margin > (4 if in_part else 0)):
            if not listed and not in_part:
                yield ""
            listed = True
            yield f"- `{named[1]}`: {_literal(named[2])}"
        else:
            yield f"{'  ' if listed else ''}{_literal(text)}"


def _literal(text: str) -> str:
    """Text in which nothing but code has a meaning."""
    parts = CODE.split(text)
    return "".join(part if part.startswith("`") else SPECIAL.sub(r"\\\1", part) for part in parts)
