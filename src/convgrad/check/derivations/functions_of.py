r"""Functions of examples and of parameters, as courses write them: `h_\theta(x) = \theta^T x`, `J(\theta) = ...`.

h_\theta(x^{(i)}) is the value of h for each example, h^{(i)}, so that a formula can be read without calls.
"""

from __future__ import annotations

import re

LETTER = r"(?:\\[a-z]+|[A-Za-z])"
SPACE = r"\s*(?:\\left)?"
EXAMPLE = r"\s*\^\s*\{\s*\([a-z]\)\s*\}|\s*_\s*(?:\{\s*[a-z]\s*\}|[a-z])"
CLOSE = r"\s*(?:\\right)?\)"
DEFINED = re.compile(
    rf"(?:^|;|\\\\)\s*(?P<name>\\hat\s*\{{?[a-z]\}}?|[A-Za-z])(?P<below>_\s*(?:\{{[^{{}}]*\}}|{LETTER}))?"
    rf"{SPACE}\((?P<of>\s*{LETTER}(?:\s*[,;]\s*{LETTER})*)(?P<one>{EXAMPLE})?{CLOSE}\s*&?\s*:?="
)
"""The left side of a definition that names its arguments."""
ERRORS = "JLEC"


def without_calls(of: str, says: str) -> tuple[str, str]:
    r"""An equation and what is said of it with names for what is called.

    >>> without_calls(r"h_w(x) = w x; J(w) = \sum_i h_w(x_i)^2", r"dw = 2 \sum_i h_w(x_i) x_i")
    ('h_i = w x_i; J = \\sum_i h_i^2', 'dw = 2 \\sum_i h_i x_i')
    """
    for match in list(DEFINED.finditer(of)):
        name, below, arguments = match["name"], match["below"] or "", match["of"].strip()
        if name in ERRORS:
            call = re.compile(rf"(?<![A-Za-z\\]){name}{SPACE}\(\s*{re.escape(arguments)}{CLOSE}")
            of, says = call.sub(name, of), call.sub(name, says)
        elif match["one"]:
            call = re.compile(rf"{_called(name, below, arguments)}({EXAMPLE}){CLOSE}")
            of, says = (call.sub(rf"{re.escape(name)}\1" if name.isalpha() else r"\g<0>", text) for text in (of, says))
        elif re.fullmatch(r"[a-z]", arguments):
            of, says = _by_example(of, says, name, below, arguments)
    return of, says


def _called(name: str, below: str, letter: str) -> str:
    return rf"(?<![A-Za-z\\]){re.escape(name)}\s*{re.escape(below)}{SPACE}\(\s*{letter}"


def _by_example(of: str, says: str, name: str, below: str, letter: str) -> tuple[str, str]:
    """With h^{(i)} for h(x^{(i)}), where every call is of one example; as they are where one is not."""
    called = _called(name, below, letter)
    marks = {"".join(found.split()) for found in re.findall(rf"{called}({EXAMPLE}){CLOSE}", f"{of} ; {says}")}
    whole = re.compile(rf"{called}{CLOSE}")
    start = whole.search(of)
    if len(marks) != 1 or start is None or len(whole.findall(of)) != 1 or whole.search(says):
        return of, says
    (mark,) = marks
    call = re.compile(rf"{called}(?:{EXAMPLE}){CLOSE}")
    stop = min((at for at in (of.find(end, start.end()) for end in (";", r"\\")) if at >= 0), default=len(of))
    alone = re.compile(rf"(?<![A-Za-z\\^_{{]){letter}(?![A-Za-z_^(])")
    line = whole.sub(lambda _: f"{name}{mark}", of[start.start() : stop])
    left, _, right = line.partition("=")
    of = f"{of[: start.start()]}{left}={alone.sub(lambda _: f'{letter}{mark}', right)}{of[stop:]}"
    return call.sub(lambda _: f"{name}{mark}", of), call.sub(lambda _: f"{name}{mark}", says)
