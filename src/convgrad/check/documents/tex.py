r"""LaTeX documents: what stands between \begin{document} and \end{document}, with its own \newcommand put in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from convgrad.check.documents.runs import Kind, Place, Run, runs_of

COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*")
LISTING = re.compile(
    r"\\begin\{(?P<name>lstlisting|verbatim|minted|python|Verbatim)\*?\}(?P<options>(?:\[[^\]]*\]|\{[^}]*\})*)"
    r"[ \t]*\n?(?P<code>.*?)\n?[ \t]*\\end\{(?P=name)\*?\}",
    re.DOTALL,
)
COMMAND = re.compile(
    r"\\(?:re|provide)?(?:newcommand|DeclareMathOperator)\*?\s*\{?\\(?P<name>[A-Za-z]+)\}?\s*(?:\[(?P<count>\d)\])?"
    r"|\\def\s*\\(?P<defined>[A-Za-z]+)(?P<given>(?:#\d)*)"
)
PLAIN = re.compile(r"\\(?:textbf|textit|emph|texttt|underline|section|subsection|paragraph)\*?\{([^{}]*)\}")
DEEPEST = 20
"""Commands within commands."""
LONGEST = 1 << 20
"""Characters that commands may grow to."""


@dataclass(frozen=True)
class Command:
    """A command of the document's own."""

    arguments: int
    body: str


def tex_runs(text: str) -> Iterator[Run]:
    """The parts of a document in LaTeX."""
    start = 0
    commands: dict[str, Command] = {}
    for match in LISTING.finditer(text):
        yield from _prose(text, start, match.start(), commands)
        place = Place(1).later(text[: match.start("code")])
        said = re.search(r"python|text|matlab|julia|\bC\b|bash", match["options"], re.IGNORECASE)
        yield Run(Kind.PROGRAM, match["code"], place, language=said[0].lower() if said else "")
        start = match.end()
    yield from _prose(text, start, len(text), commands)


def _prose(text: str, start: int, stop: int, commands: dict[str, Command]) -> Iterator[Run]:
    part = COMMENT.sub(lambda match: match[1], text[start:stop])
    part = _without_commands(part, commands)
    begin, end = part.find("\\begin{document}"), part.find("\\end{document}")
    if begin >= 0:
        part = "\n" * part[:begin].count("\n") + part[begin + len("\\begin{document}") :]
        end = part.find("\\end{document}")
    elif start == 0 and "\\begin{document}" in text:
        part = ""
    part = part[:end] if end >= 0 else part
    for run in runs_of(PLAIN.sub(r"\1", part), Place(1).later(text[:start])):
        yield Run(run.kind, expanded(run.text, commands), run.place, run.display) if commands else run


def _without_commands(text: str, commands: dict[str, Command]) -> str:
    """Without definitions of commands, which are kept."""
    found, start = "", 0
    while match := COMMAND.search(text, start):
        body, stop = _group(text, match.end())
        found += text[start : match.start()] + "\n" * text[match.start() : stop].count("\n")
        count = int(match["count"] or 0) if match["name"] else (match["given"] or "").count("#")
        if "DeclareMathOperator" in match[0]:
            body = f"\\operatorname{{{body}}}"
        commands[match["name"] or match["defined"]] = Command(count, body)
        start = max(stop, match.end())
    return found + text[start:]


def expanded(text: str, commands: dict[str, Command]) -> str:
    """A formula with the document's own commands put in."""
    names = "|".join(sorted(commands, key=len, reverse=True))
    for _ in range(DEEPEST):
        match = re.search(rf"\\({names})(?![A-Za-z])", text)
        if match is None or len(text) > LONGEST:
            return text
        command, stop = commands[match[1]], match.end()
        body = command.body
        for number in range(1, command.arguments + 1):
            argument, stop = _group(text, stop)
            body = body.replace(f"#{number}", argument)
        text = f"{text[: match.start()]}{body} {text[stop:]}"
    return text


def _group(text: str, start: int) -> tuple[str, int]:
    """What stands in braces there, or the one token, and where it ends."""
    place = start
    while place < len(text) and text[place].isspace():
        place += 1
    if text[place : place + 1] != "{":
        token = re.compile(r"\\[A-Za-z]+|\\?.", re.DOTALL).match(text, place)
        return (token[0], token.end()) if token else ("", place)
    depth = 0
    for stop in range(place, len(text)):
        depth += (text[stop] == "{") - (text[stop] == "}")
        if not depth:
            return text[place + 1 : stop], stop + 1
    return text[place + 1 :], len(text)
