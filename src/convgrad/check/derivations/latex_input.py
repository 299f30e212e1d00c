r"""Equations written in LaTeX, as people hand them in, in our notation.

    \frac{\partial E}{\partial w_{m,n}} = \sum_{i,j} \frac{\partial E}{\partial x_{i,j}} o_{i+m,j+n}

becomes `dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])`. A sum reaches to the next `+`, `-` or `=` outside brackets.
"""

from __future__ import annotations

import re

from convgrad.errors import EquationSyntaxError, Span
from convgrad.notation.parsing.lexer import LONGEST_TEXT

FUNCTIONS = ("exp", "log", "ln", "tanh", "max", "min", "sigma", "sqrt")
IGNORED = {"left", "right", "displaystyle", "bigl", "bigr", "big", "Big", "limits", "quad", "qquad", "!", ",", ";", ":"}
TIMES = {"cdot", "times", "ast"}
GREEK = {"delta", "alpha", "beta", "gamma", "eta", "mu", "theta", "lambda", "epsilon", "varepsilon", "rho", "phi"}
TOKEN = re.compile(r"\s*(\\[A-Za-z]+|\\.|[A-Za-z]|\d+\.?\d*|\S)")


def looks_like_latex(text: str) -> bool:
    """Whether the text is LaTeX and not our notation.

    >>> looks_like_latex(r"\\sum_{i} x_i"), looks_like_latex("x[i] = o[i]")
    (True, False)
    """
    return "\\" in text or (bool(re.search(r"_\{|_[A-Za-z0-9](?![A-Za-z0-9_\[])", text)) and "[" not in text)


def from_latex(text: str) -> str:
    """The same in our notation. Raises: EquationSyntaxError at a command that has no counterpart."""
    if len(text) > LONGEST_TEXT:
        raise EquationSyntaxError(f"The formula has {len(text):,} characters; the limit is {LONGEST_TEXT:,}.")
    lines = [line for line in re.split(r"\\\\|\n", text.replace("&", " ").strip().strip("$")) if line.strip()]
    try:
        return "\n".join(_Reader(line).equation() for line in lines)
    except RecursionError:
        remedy = "Define a part of it as a tensor of its own."
        raise EquationSyntaxError("This formula is nested too deep.", text, Span(0, 1), remedy) from None


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.tokens = [(m.group(1), m.start(1)) for m in TOKEN.finditer(text)]
        self.place = 0

    def equation(self) -> str:
        left = self.product()
        self.take("=")
        right = self.sum()
        if self.peek() is not None:
            raise self.error(f"`{self.peek()}` is not expected here.")
        return f"{left} = {right}"

    def peek(self) -> str | None:
        while self.place < len(self.tokens):
            token = self.tokens[self.place][0]
            if token.startswith("\\") and token[1:] in IGNORED:
                self.place += 1
                continue
            return token
        return None

    def next(self) -> str:
        token = self.peek()
        if token is None:
            raise self.error("The equation ends too early.")
        self.place += 1
        return token

    def take(self, wanted: str) -> None:
        found = self.peek()
        if found != wanted:
            raise self.error(f"`{wanted}` is expected here.")
        self.place += 1

    def error(self, message: str) -> EquationSyntaxError:
        start = self.tokens[self.place][1] if self.place < len(self.tokens) else max(len(self.text) - 1, 0)
        return EquationSyntaxError(message, self.text, Span(start, start + 1), "Or write it in index notation: w[m,n].")

    def sum(self) -> str:
        parts = [self.next() + self.product()] if self.peek() == "-" else [self.product()]
        while self.peek() in ("+", "-"):
            parts.append(f" {self.next()} {self.product()}")
        return "".join(parts)

    def product(self) -> str:
        factors: list[str] = []
        signs: list[str] = []
        while (token := self.peek()) is not None and token not in ("+", "-", "=", ")", "]", "}", ","):
            if (token.startswith("\\") and token[1:] in TIMES) or token in ("*", "/"):
                self.place += 1
                signs.append("/" if token == "/" else "*")
                continue
            if len(signs) < len(factors):
                signs.append("*")
            factors.append(self.power())
        if not factors:
            raise self.error("A number, a tensor or a sum is expected here.")
        text = factors[0]
        for sign, factor in zip(signs, factors[1:], strict=False):
            text += f" {sign} {factor}"
        return text

    def power(self) -> str:
        base = self.factor()
        if self.peek() == "^":
            self.place += 1
            base += f"^{self.group()}"
        return base

    def factor(self) -> str:
        token = self.next()
        if token in ("(", "[", "{"):
            inside = self.sum()
            self.take({"(": ")", "[": "]", "{": "}"}[token])
            return f"({inside})"
        if token[0].isdigit():
            return token
        if token == "\\frac":
            return self.fraction()
        if token in ("\\sum", "\\max"):
            return self.reduction(token[1:])
        name = token.lstrip("\\")
        if name in FUNCTIONS:
            called = {"ln": "log", "sigma": "sigmoid"}.get(name, name)
            argument = self.group() if self.peek() in ("{", "(") else self.power()
            return f"{called}({argument.strip('()') if argument.startswith('(') else argument})"
        if token.startswith("\\") and name not in GREEK:
            self.place -= 1
            raise self.error(f"`{token}` is not known here.")
        return self.tensor(name)

    def tensor(self, name: str) -> str:
        if name == "d" and (follow := self.peek()) is not None and follow.isalpha():
            name += self.next()
        while self.peek() == "'":
            self.place += 1
            name += "_prime"
        return f"{name}[{self.subscript()}]" if self.peek() == "_" else name

    def subscript(self) -> str:
        self.take("_")
        if self.peek() != "{":
            return self.next()
        return self.raw_group()

    def raw_group(self) -> str:
        """What stands in braces, index arithmetic as it is; `ij` means `i,j`."""
        self.take("{")
        found = []
        while (token := self.next()) != "}":
            found.append("*" if token.lstrip("\\") in TIMES else token)
        text = "".join(found)
        text = re.sub(r"(?<=\d)(?=[a-z])", "*", text)
        return text if "," in text else re.sub(r"(?<=[a-z])(?=[a-z])", ",", text)

    def group(self) -> str:
        if self.peek() == "{":
            self.place += 1
            inside = self.sum()
            self.take("}")
            return inside if re.fullmatch(r"[\w.]+(\[[^\]]*\])?", inside) else f"({inside})"
        return self.factor()

    def fraction(self) -> str:
        start = self.place
        above = self.derivative()
        if above is not None:
            return above
        self.place = start
        return f"({self.group()} / {self.group()})"

    def derivative(self) -> str | None:
        r"""`dw[m,n]` for \frac{\partial E}{\partial w_{m,n}}."""
        if self.peek() != "{":
            return None
        self.place += 1
        if self.peek() not in ("\\partial", "d"):
            return None
        while self.next() != "}":
            pass
        self.take("{")
        if self.peek() not in ("\\partial", "d"):
            return None
        self.place += 1
        tensor = self.tensor(self.next().lstrip("\\"))
        self.take("}")
        return f"d{tensor}"

    def reduction(self, kind: str) -> str:
        indices: list[str] = []
        while True:
            indices += [i for i in re.split(",", self.subscript()) if i] if self.peek() == "_" else []
            if self.peek() == "^":
                self.place += 1
                self.raw_group() if self.peek() == "{" else self.next()
            if self.peek() != f"\\{kind}":
                break
            self.place += 1
        names = [i.split("=")[0] for i in indices]
        if not names:
            raise self.error(f"Write what \\{kind} runs over, as in \\{kind}_{{i,j}}.")
        return f"{kind}[{','.join(names)}]({self.product()})"
