r"""What a formula states: each `=` of each of its rows, with its line.

    \begin{align} \delta_j &= \frac{\partial C}{\partial z_j} \\ &= (a_j - y_j) f'(z_j) \end{align}

states two things of `\delta_j`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from convgrad.check.documents.runs import Place

TOKEN = re.compile(
    r"\\begin\{(?P<begin>[A-Za-z]+\*?)\}|\\end\{(?P<end>[A-Za-z]+\*?)\}|\\(?:left|right)(?![A-Za-z])\s*\\?.|\\[{}]"
    r"|\\(?P<command>[A-Za-z]+)|(?P<row>\\\\(?:\[[^\]]*\])?)|\\.|(?P<sign>:=|.)",
    re.DOTALL,
)
OPENS, CLOSES = {"{", "(", "["}, {"}", ")", "]"}
INNER = ("cases", "matrix", "array", "aligned")
"""Ends of names of environments whose rows are no rows of the formula; those of `aligned` are."""
EQUALS = {"=", ":=", "equiv", "leftarrow", "gets", "\u2190", "approx", "simeq", "coloneqq", "triangleq"}
ARROWS = ("\\leftarrow", "\\gets", "\u2190")
OTHER_RELATIONS = {"propto", "in", "ne", "neq", "sim", "le", "leq", "ge", "geq", "ll", "gg", "to", "mapsto"}
BETWEEN = {"Rightarrow", "implies", "Longrightarrow", "therefore", "iff", "Leftrightarrow", "quad", "qquad", ","}
"""What stands between two statements, if each of them has an `=`."""
WORDS = re.compile(
    r"\\(?:text|mathrm|textrm|mbox)\s*\{\s*(?:and|with|where|so|or|i\.e\.,?|thus|hence|then|,|;|\s)*\s*\}"
)
PRODUCT = re.compile(r"(?<![\\A-Za-z{])(?!CE|BN|LN|NN|KL|MI|TP|FP|TN|FN|OR|IS)([A-Z])([A-Za-z])(?![A-Za-z])")
"""In formulas `Wx` is W times x, and `XW` X times W."""
NUMBERED = re.compile(r"\\(?:label|tag|eqref|ref)\*?\{[^}]*\}|\\(?:nonumber|notag)(?![A-Za-z])")


@dataclass(frozen=True)
class Statement:
    """`left = right` as they were written. before: the right side of the `=` before it in a chain."""

    left: str
    right: str
    place: Place
    before: str = ""

    @property
    def text(self) -> str:
        """As one line."""
        return f"{' '.join(self.left.split())} = {' '.join(self.right.split())}"


@dataclass(frozen=True)
class Mark:
    """A sign outside all brackets."""

    sign: str
    start: int
    stop: int


def statements_of(formula: str, place: Place) -> Iterator[Statement]:
    """All that a formula states."""
    clean = WORDS.sub(" \\\\quad ", NUMBERED.sub("", formula))
    clean = PRODUCT.sub(r"\1 \2", clean)
    left, before = "", ""
    for row, start in _rows(clean):
        at = place.later(clean[:start])
        for part, begins in _parts(row):
            sides = _sides(part)
            if len(sides) < 2:
                continue
            here = at.later(row[:begins])
            if sides[0][0].strip(" \n\t&{},.;"):
                left, before = _plain(sides[0][0]), ""
            if not left:
                continue
            assigned = part[sides[0][1] + len(sides[0][0]) :].lstrip().startswith(ARROWS) and len(sides) > 2
            later = None
            for number, (side, offset) in enumerate(sides[1:]):
                right = _plain(side)
                if right and assigned and not number:  # g <- A = B says A = B of the old g, and then that g is A
                    later, left = Statement(left, right, here.later(part[:offset])), right
                    before = right
                elif right:
                    shift = len(side) - len(side.lstrip())
                    yield Statement(left, right, here.later(part[: offset + shift]), before)
                    before = right
            if later is not None:
                yield later


def relation_of(formula: str) -> str:
    """Another relation than an equality, that a formula has outside brackets; empty where there is none."""
    marks = [mark.sign for mark in _marks(formula)]
    return next((sign for sign in marks if sign in OTHER_RELATIONS or sign in "<>"), "")


def has_equality(formula: str) -> bool:
    """Whether a formula has an `=` outside brackets."""
    return any(mark.sign in EQUALS for mark in _marks(formula))


def product_parts(formula: str) -> list[str]:
    r"""The factors between \times outside brackets: those of `5 \times 5`."""
    parts, start = [], 0
    for mark in _marks(formula):
        if mark.sign in ("times", "\u00d7"):
            parts.append(formula[start : mark.start])
            start = mark.stop
    return [_plain(part) for part in (*parts, formula[start:])]


def _rows(text: str) -> Iterator[tuple[str, int]]:
    start = 0
    for mark in _marks(text):
        if mark.sign == "\\\\":
            yield text[start : mark.start], start
            start = mark.stop
    yield text[start:], start


def _parts(row: str) -> Iterator[tuple[str, int]]:
    """Statements beside one another, as in `a = b, \\quad c = d`."""
    marks = list(_marks(row))
    cuts = [m for m in marks if m.sign in BETWEEN or m.sign == ";"]
    start = 0
    for cut in cuts:
        others = [m for m in marks if m.sign in EQUALS]
        if any(start <= m.start < cut.start for m in others) and any(m.start > cut.start for m in others):
            following = next((c.start for c in cuts if c.start > cut.start), len(row))
            if any(cut.start < m.start < following for m in others):
                yield row[start : cut.start], start
                start = cut.stop
    yield row[start:], start


def _sides(part: str) -> list[tuple[str, int]]:
    found, start = [], 0
    for mark in _marks(part):
        if mark.sign in EQUALS:
            found.append((part[start : mark.start], start))
            start = mark.stop
    return [*found, (part[start:], start)]


def _plain(side: str) -> str:
    without = WORDS.sub(" ", side)
    for mark in reversed([mark for mark in _marks(without) if mark.sign == "&"]):
        without = f"{without[: mark.start]} {without[mark.stop :]}"
    return without.strip().strip(",.;").removesuffix("\\quad").removesuffix("\\qquad").strip(" ,.;\n\t")


def _marks(text: str) -> Iterator[Mark]:
    """All signs and commands outside brackets and environments with rows of their own."""
    depth = 0
    for match in TOKEN.finditer(text):
        token = match[0]
        if match["begin"] or match["end"]:
            name = (match["begin"] or match["end"]).rstrip("*")
            if name.endswith(INNER[:3]):
                depth += 1 if match["begin"] else -1
        elif token.startswith("\\left") and not match["command"]:
            depth += 1
        elif token.startswith("\\right") and not match["command"]:
            depth -= 1
        elif match["sign"] in OPENS:
            depth += 1
        elif match["sign"] in CLOSES:
            depth = max(depth - 1, 0)
        elif depth == 0:
            sign = match["command"] or ("\\\\" if match["row"] else match["sign"])
            if sign is not None and not sign.isspace():
                yield Mark(sign, match.start(), match.end())
