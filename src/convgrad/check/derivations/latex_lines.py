r"""LaTeX as people paste it, in lines of tokens: environments, spacing and fonts are gone, names have no marks left.

    \begin{align} \hat{y}_i &= \mathbf{W} x_i \\ z &= y \end{align}

becomes the tokens of `y_hat_i = W x_i` and those of `z = y`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IGNORED = {
    *("left", "right", "displaystyle", "textstyle", "bigl", "bigr", "Bigl", "Bigr", "big", "Big", "bigg", "Bigg"),
    *("limits", "nolimits", "quad", "qquad", "!", ",", ";", ":", " ", "nonumber", "notag"),
}
FONTS = {"mathcal", "mathbf", "mathrm", "mathit", "boldsymbol", "bm", "mathbb", "vec", "text", "operatorname", "textbf"}
MARKS = {"hat": "hat", "tilde": "tilde", "bar": "bar", "widehat": "hat", "widetilde": "tilde", "overline": "bar"}
ENVIRONMENTS = r"\\(?:begin|end)\{(?:align|aligned|equation|gather|gathered|split|eqnarray|multline)\*?\}"
ROW = "\\row"
"""Stands for the line break within `cases`."""
TOKEN = re.compile(r"\s*(\\[A-Za-z]+|\\.|[A-Za-z]+_(?:hat|tilde|bar)|[A-Za-z]|\d+\.?\d*|\S)")


@dataclass(frozen=True)
class Line:
    """One line of a formula: its text as it was written, and tokens with their places in it."""

    text: str
    tokens: tuple[tuple[str, int], ...]


def lines_of(text: str) -> list[Line]:
    """The lines of a formula that hold something."""
    plain = re.sub(r"\\(?:label|tag)\*?\{[^}]*\}", "", text.strip().strip("$"))
    plain = re.sub(ENVIRONMENTS, " ", plain)
    plain = re.sub(r"\\begin\{cases\}(.*?)\\end\{cases\}", _cases, plain, flags=re.DOTALL)
    plain = plain.replace(":=", "=").replace("\\equiv", "=").replace("\\leftarrow", "=").replace("\\gets", "=")
    found = []
    for line in re.split(r"\\\\(?:\[[^\]]*\])?|\n|(?<!\\);", plain):
        line = _plain_names(line.replace("&", " "))
        if line.strip(" .,;$"):
            tokens = [(m[1], m.start(1)) for m in TOKEN.finditer(line.rstrip(" .,;$"))]
            kept = tuple((token, at) for token, at in tokens if not (token[0] == "\\" and token[1:] in IGNORED))
            found.append(Line(line, kept))
    return found


def _cases(match: re.Match[str]) -> str:
    return "\\cases{" + match[1].replace("\\\\", ROW + " ").replace("&", ROW + "if ").replace("\n", " ") + "}"


def _plain_names(line: str) -> str:
    """Without fonts, and with marks in the name: \\hat{y} is y_hat."""
    fonts = "|".join(sorted(FONTS, key=len, reverse=True))
    while True:
        before = line
        line = re.sub(rf"\\(?:{fonts})\s*\{{\s*(\\?[A-Za-z]+)\s*\}}", r" \1 ", line)
        line = re.sub(
            rf"\\({'|'.join(MARKS)})\s*(?:\{{\s*\\?([A-Za-z])\s*\}}|\\?([A-Za-z])(?![A-Za-z]))",
            lambda m: f" {m[2] or m[3]}_{MARKS[m[1]]} ",
            line,
        )
        if line == before:
            return line
