r"""A formula as it may have been meant: one slip mended in its LaTeX, so that bounds and layers stay as they are.

`\sum_m w_{m,n} o_{i-m}` for `\sum_m w_{m,n} o_{i+m}`: signs, indices, transposes, names, factors, functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

SIGN = re.compile(r"[+-]")
OTHER_SIGNS = str.maketrans("+-", "-+")
UNARY = re.compile(r"(?:^|[({\[,=]|\\left\(|\\frac)\s*$")
"""What stands before a sign of one operand."""
POWER_OF_E = re.compile(r"(?<![A-Za-z\\])(?:e\s*\^\s*\{|\\exp\s*(?:\\left)?\()\s*(-?)\s*")
PAIR = re.compile(r"(?<=_\{)([^{},]+),([^{},]+)(?=\})|(?<=_\{)\s*([a-z])\s*([a-z])\s*(?=\})")
SUBSCRIPT = re.compile(r"_\s*(?:\{([^{}]*)\}|([a-z]))")
TURNED = re.compile(r"\^\s*(?:\{\s*(?:T|\\top)\s*\}|T(?![A-Za-z])|\\top(?![A-Za-z]))")
NAME = re.compile(
    r"(?:\\(?:hat|tilde|bar)\s*\{?\s*[A-Za-z]\s*\}?|\\(?:alpha|beta|gamma|mu|theta|lambda|phi|psi|nu|eta|kappa)(?![A-Za-z])"
    r"|(?<![A-Za-z\\_^{])[A-Za-z](?![A-Za-z]))(?:\s*(?:\^\s*(?:\{[^{}]*\}|[lLk\d])|_\s*(?:\{[^{}]*\}|\w)))*"
)
"""A tensor with its indices and layer."""
MATRIX = re.compile(r"[A-Zwuv](?![A-Za-z_])")
ONE_OVER = re.compile(r"\\[dt]?frac\s*(?:\{\s*1\s*\}|1)\s*(?:\{[^{}]*\}|\w)")
LAST = re.compile(r"\\sum[^A-Za-z]*_\s*\{[^{}]*=[^{}]*\}\s*\^\s*\{?\s*([A-Za-z])\s*\}?(?![A-Za-z])")
"""The letter for the number of terms."""
CALL = re.compile(r"\\(?:tanh|sigma|operatorname\{\w+\}|mathrm\{\w+\})\s*(?=(?:\\left)?\()|\\sqrt\s*(?=\{)")
BELOW = re.compile(r"(?<=\})\{\s*([A-Za-z](?:_\w)?)\s*\}")
"""One letter under a fraction."""


def rewritten(right: str) -> Iterator[str]:
    """Other right sides of an equation, likeliest slips first; each once."""
    seen = {" ".join(right.split())}
    for other in _all(" ".join(right.split())):
        if other not in seen:
            seen.add(other)
            yield other


def _all(right: str) -> Iterator[str]:
    yield from _signs(right)
    yield from _pairs(right)
    yield from _transposes(right)
    yield from _factors(right)
    yield from _functions(right)
    yield from _names(right)
    yield from _indices(right)


def _signs(right: str) -> Iterator[str]:
    for match in SUBSCRIPT.finditer(right):  # o_{i-m,j-n} for o_{i+m,j+n}
        if match[0].count("+") + match[0].count("-") > 1:
            yield right[: match.start()] + match[0].translate(OTHER_SIGNS) + right[match.end() :]
    yield right[1:].strip() if right.startswith("-") and not SIGN.search(right[1:]) else f"-({right})"
    for match in SIGN.finditer(right):
        start, stop = match.span()
        if UNARY.search(right[:start]):
            yield right[:start] + right[stop:]
        else:
            yield right[:start] + ("-" if match[0] == "+" else "+") + right[stop:]
    yield POWER_OF_E.sub(lambda m: m[0].rstrip(" -") if m[1] else f"{m[0]}-", right)


def _pairs(right: str) -> Iterator[str]:
    for match in PAIR.finditer(right):
        turned = f"{match[2]},{match[1]}" if match[1] else f"{match[4]}{match[3]}"
        yield right[: match.start()] + turned + right[match.end() :]
    letters = list(dict.fromkeys(index for _, index in _written(right)))
    for one, two in combinations(letters, 2):
        places = {place: two if index == one else one for place, index in _written(right) if index in (one, two)}
        changed = list(right)
        for place, index in places.items():
            changed[place] = index
        yield "".join(changed)


def _transposes(right: str) -> Iterator[str]:
    for match in TURNED.finditer(right):
        yield right[: match.start()] + right[match.end() :]
    for match in NAME.finditer(right):
        if MATRIX.match(match[0]) and not TURNED.match(right[match.end() :].lstrip(")")):
            yield f"{right[: match.start()]}({match[0]})^T {right[match.end() :]}"


def _factors(right: str) -> Iterator[str]:
    for match in ONE_OVER.finditer(right):
        yield right[: match.start()] + right[match.end() :]
    whole = right if not SIGN.search(right) else f"({right})"
    for letter in dict.fromkeys(match[1] for match in LAST.finditer(right)):
        yield rf"\frac{{1}}{{{letter}}} {whole}"
    yield rf"\frac{{1}}{{2}} {whole}"
    yield f"2 {whole}"


def _functions(right: str) -> Iterator[str]:
    for match in CALL.finditer(right):
        yield right[: match.start()] + right[match.end() :]
    for match in BELOW.finditer(right):
        yield rf"{right[: match.start()]}{{\sqrt{{{match[1]}}}}}{right[match.end() :]}"
    for match in NAME.finditer(right):
        for function in (r"\tanh", r"\sigma"):
            yield f"{right[: match.start()]}{function}({match[0]}){right[match.end() :]}"


def _names(right: str) -> Iterator[str]:
    matches = list(NAME.finditer(right))
    for one, two in combinations(matches, 2):
        if one[0] != two[0]:
            middle = right[one.end() : two.start()]
            yield right[: one.start()] + two[0] + middle + one[0] + right[two.end() :]


def _indices(right: str) -> Iterator[str]:
    written = _written(right)
    letters = list(dict.fromkeys(index for _, index in written))
    for place, index in written:
        for other in letters:
            if other != index:
                yield right[:place] + other + right[place + 1 :]


def _written(right: str) -> list[tuple[int, str]]:
    """Each letter of an index with its place, those under sums left out."""
    found = []
    for match in SUBSCRIPT.finditer(right):
        if right[: match.start()].rstrip().endswith(("\\sum", "\\max")):
            continue
        group = 1 if match[1] is not None else 2
        found += [(match.start(group) + m.start(), m[0]) for m in re.finditer(r"[a-z]", match[group])]
    return found
