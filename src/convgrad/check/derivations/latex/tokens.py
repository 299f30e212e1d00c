r"""A formula as people post it, LaTeX or plain text, as tokens that know where they stood in what was written.

    \begin{align} \hat{y}_i &= \mathbf{W} x_i \\ z &= y \end{align}

is two lines of tokens: what only sets type (fonts, spacing, environments, labels, comments) is gone, and characters
such as the Greek ones are the commands that set them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

IGNORED = {
    *("left", "right", "displaystyle", "textstyle", "bigl", "bigr", "Bigl", "Bigr", "big", "Big", "bigg", "Bigg"),
    *("biggl", "biggr", "Biggl", "Biggr", "middle", "bigm", "limits", "nolimits", "quad", "qquad", "nonumber"),
    *("notag", "phantom", "hfill", "noindent", "therefore", "mathrel"),
    *("[", "]", "(", ")", "!", ",", ";", ":", " ", ">"),
}
UPRIGHT = {"mathrm", "text", "operatorname", "textrm", "textbf", "textit", "mathsf", "mathtt", "texttt", "mbox", "rm"}
FONTS = {*UPRIGHT, "mathcal", "mathbf", "mathit", "boldsymbol", "bm", "mathbb", "vec", "pmb", "mathscr", "mathfrak"}
FONTS |= {"mathds", "mathbbm", "symbf", "bf", "boxed", "underline", "ensuremath", "underbrace", "overbrace"}
MARKS = {"hat": "hat", "tilde": "tilde", "bar": "bar", "widehat": "hat", "widetilde": "tilde", "overline": "bar"}
INDICATOR = "\\indicator"
CASES, END_CASES, ROW, COLUMN = "\\cases", "\\endcases", "\\\\", "&"
RELATIONS = {"=", ":=", "<-", "\\leftarrow", "\\gets", "\\equiv", "\\triangleq", "\\coloneqq", "\\doteq", "-=", "+="}
IMPLIES = {"\\Rightarrow", "\\implies", "\\Longrightarrow", "\\iff", "\\Leftrightarrow", "\\to", "\\rightarrow"}
CONTINUES = {"+", "-", "\\cdot", "\\times", "*", "/", "\\odot", "\\ast", "\\circ"}
OPENING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}", CASES: END_CASES}

_SMALL = "0123456789+-=()"
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾", _SMALL, strict=True)) | {"ᵀ": "T", "ˡ": "l", "ⁿ": "n", "ⁱ": "i"}
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", _SMALL, strict=True)) | dict(
    zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "aehijklmnoprstuvx", strict=True)
)
_NAMES = """alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi omega
Delta Delta sum sum partial partial nabla epsilon Phi ell"""
GREEK = dict(zip("αβγδεζηθκλμνξπρστφχψωΔ∆Σ∑∂𝜕∇ϵΦℓ", _NAMES.split(), strict=True))
CHARACTERS = {key: f"\\{name}" for key, name in GREEK.items()} | {
    "·": "\\cdot",
    "⋅": "\\cdot",
    "×": "\\times",
    "⊙": "\\odot",
    "∘": "\\circ",
    "∗": "*",
    "⋆": "\\star",
    "−": "-",
    "–": "-",
    "′": "'",
    "’": "'",
    "≤": "\\le",
    "≥": "\\ge",
    "≠": "\\ne",
    "←": "\\gets",
    "⇒": "\\implies",
    "√": "\\sqrt",
    "≔": ":=",
    "⊗": "\\otimes",
    "⊤": "\\top",
    "→": "\\to",
    "≈": "\\approx",
    "∈": "\\in",
}
_SETS = "|".join(("align", "aligned", "equation", "gather", "gathered", "split", "eqnarray", "multline", "alignat"))
_HIDDEN = re.compile(
    r"(?<!\\)%[^\n]*"
    r"|\\(?:label|tag|ref|eqref|hspace|vspace|cite)\*?\s*\{[^}]*\}"
    rf"|\\(?:begin|end)\s*\{{(?:{_SETS}|displaymath|math|subequations)\*?\}}(?:\{{\d+\}})?"
    r"|\\(?:text)?color\s*\{[^}]*\}"
    r"|\\left\s*\.|\\right\s*\.(?!\d)"
    r"|\\q?quad\s*\(\d+(?:\.\d+)?\)\s*(?=\n|\\\\|\$|$)"
    r"|\$\$?"
)
_TOKEN = re.compile(
    r"(?P<cases>\\begin\s*\{d?cases\}|(?:\\left\s*)?\\\{\s*\\begin\s*\{(?:array|matrix|aligned)\}(?:\s*\{[lcr|\s]*\})?)"
    r"|(?P<endcases>\\end\s*\{d?cases\}|\\end\s*\{(?:array|matrix|aligned)\})"
    r"|(?P<row>\\\\\*?(?:\s*\[-?[\d.]+\s*(?:pt|em|ex|mm|cm)\])?)"
    r"|(?P<other>\\[A-Za-z]+\*?|\\.|[A-Za-z][A-Za-z0-9]*|\d+(?:\.\d+)?(?:e-?\d+)?|\.\d+"
    r"|:=|<-|==|<=|>=|!=|\+=|-=|\.\*|\./|\.\^|\*\*|\S)"
)


@dataclass(frozen=True)
class Token:
    """A piece of a formula.

    start, stop: where it stood. upright: set as a word, so it is no product of letters. newline: a line of the text
    ends before it.
    """

    text: str
    start: int
    stop: int
    upright: bool = False
    newline: bool = False

    @property
    def name(self) -> str:
        """Without the backslash."""
        return self.text.lstrip("\\")


def tokens(text: str) -> list[Token]:
    """All tokens of a formula, in order."""
    hidden = _HIDDEN.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    found: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(hidden):
        newline = "\n" in hidden[end : match.start()]
        end = match.end()
        for part in _parts(match):
            found.append(Token(part, match.start(), match.end(), newline=newline))
            newline = False
    return _joined_scripts(_without_fonts(found))


def _parts(match: re.Match[str]) -> list[str]:
    text = match[0]
    if match["cases"] is not None:
        return [CASES]
    if match["endcases"] is not None:
        return [END_CASES]
    if match["row"] is not None:
        return [ROW]
    for table, sign in ((SUPERSCRIPTS, "^"), (SUBSCRIPTS, "_")):
        if text in table:
            return [sign, "{", table[text], "}"]
    if text in CHARACTERS:
        return [CHARACTERS[text]]
    if text == "½":
        return ["(", "1", "/", "2", ")"]
    plain = unicodedata.normalize("NFKC", text) if not text.isascii() else text
    return [CHARACTERS.get(plain, plain)]


def _joined_scripts(found: list[Token]) -> list[Token]:
    """₁₂ as one subscript and not two."""
    kept: list[Token] = []
    for token in found:
        if (
            len(kept) > 1
            and token.text == "{"
            and kept[-1].text in "^_"
            and kept[-2].text == "}"
            and kept[-1].start == kept[-2].stop
            and kept[-1].start == token.start
        ):
            del kept[-2:]
        else:
            kept.append(token)
    return kept


def closing(found: Sequence[Token], place: int) -> int:
    """Where the brace that is opened at `place` closes; the end where it never does."""
    depth = 0
    for at in range(place, len(found)):
        depth += {"{": 1, "}": -1}.get(found[at].text, 0)
        if not depth:
            return at
    return len(found)


def _without_fonts(found: Sequence[Token]) -> list[Token]:
    kept: list[Token] = []
    place = 0
    while place < len(found):
        token = found[place]
        name = token.name.rstrip("*") if token.text[0] == "\\" else ""
        place += 1
        if name in IGNORED and token.text not in (ROW,):
            continue
        if name not in FONTS:
            kept.append(token)
            continue
        if place < len(found) and found[place].text == "{":
            stop = closing(found, place)
            inside = _without_fonts(found[place + 1 : stop])
            place = stop + 1
        else:
            inside = list(found[place : place + 1])
            place += 1
        if name in ("underbrace", "overbrace") and place < len(found) and found[place].text in ("_", "^"):
            place = closing(found, place + 1) + 1  # what is written at the brace is a remark
        if [t.text for t in inside] in (["1"], ["I"]) and name in ("mathbb", "mathds", "mathbbm"):
            inside = [Token(INDICATOR, token.start, inside[-1].stop)]
        elif name in UPRIGHT:
            inside = [replace(t, upright=True) for t in inside]
        if inside:
            inside[0] = replace(inside[0], newline=inside[0].newline or token.newline)
        kept += inside
    return kept


# Lines


def lines_of(text: str) -> list[list[Token]]:
    r"""The lines of a formula that hold something: at \\, at `;`, where a new line of text begins another equation, and
    at a comma before one. A line that begins with a relation or an operator goes on with the one before.
    """
    found: list[list[Token]] = []
    for soft, line in _pieces(tokens(text)):
        while line and line[-1].text in (".", ",", ";"):
            line.pop()
        while line and (line[0].text in (".", ";") or (line[0].text == "," and _has_relation(line))):
            line.pop(0)
        if line and line[0].text in ("where", "with") and _has_relation(line):
            line.pop(0)
        if not line:
            continue
        goes_on = line[0].text in RELATIONS | CONTINUES and not (line[0].text == "-" and _has_relation(line))
        unfinished = bool(found) and found[-1][-1].text in RELATIONS | CONTINUES
        lacks = soft and found and not (_has_relation(line) and _has_relation(found[-1]))
        if found and (goes_on or unfinished or lacks):
            found[-1] += line
        else:
            found.append(line)
    return found


def _has_relation(line: Sequence[Token]) -> bool:
    return any(depth == 0 and token.text in RELATIONS for depth, token in _with_depth(line))


def _with_depth(found: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Each token with the number of brackets around it."""
    depth = 0
    for token in found:
        if token.text in OPENING.values():
            depth = max(0, depth - 1)
        yield depth, token
        if token.text in OPENING:
            depth += 1


def _pieces(found: Sequence[Token]) -> Iterator[tuple[bool, list[Token]]]:
    """Parts between breaks, and whether the break before may be none: a mere end of a line of text, or a comma."""
    line: list[Token] = []
    soft = False
    columns = 0
    for depth, token in _with_depth(found):
        if depth == 0:
            before = line[-1].text if line else ""
            if token.text in (ROW, ";") or token.text in IMPLIES:
                yield soft, line
                line, soft, columns = [], False, 0
                continue
            if token.text == COLUMN:
                columns += before not in RELATIONS
                if columns == 2 and line:
                    yield soft, line
                    line, soft, columns = [], True, 0
                continue
            if token.upright and token.text in ("where", "with") and line:
                yield soft, line
                line, soft = [token], False
                continue
            if token.newline and line:
                yield soft, line
                line, soft = [], True
            if token.text == ",":
                yield soft, line
                line, soft = [token], True
                continue
        if token.text == COLUMN and not _in_cases(found, token):
            continue
        line.append(token)
    yield soft, line


def _in_cases(found: Sequence[Token], token: Token) -> bool:
    opened = 0
    for other in found:
        if other is token:
            return opened > 0
        opened += {CASES: 1, END_CASES: -1}.get(other.text, 0)
    return False


def with_subscripts(line: Sequence[Token]) -> list[tuple[Token, bool, bool]]:
    """Each token, whether it stands in a subscript, and whether that is in braces."""
    found: list[tuple[Token, bool, bool]] = []
    below: list[bool] = []
    before = ""
    for token in line:
        if token.text == "{":
            below.append(before == "_" or any(below))
        found.append((token, before == "_" or any(below), any(below)))
        if token.text == "}" and below:
            below.pop()
        before = token.text
    return found
