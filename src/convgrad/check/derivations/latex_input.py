r"""Equations written in LaTeX, as people hand them in, in our notation.

    \frac{\partial E}{\partial w_{m'}^l} = \sum_{i=0}^{H-k} \frac{\partial E}{\partial x^l_{i}} o^{l-1}_{i+m'}

becomes `dw[m_prime] = sum[i](dx[i] * o_before[i+m_prime])`, with what was said of the bounds of each sum. A sum
reaches to the next `+`, `-` or `=` outside brackets. Each `=` of a chain is a claim of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from convgrad.check.derivations.latex_lines import ROW, Line, lines_of
from convgrad.errors import EquationSyntaxError, Span
from convgrad.functions import CONDITION, FUNCTIONS, VALUE, Function
from convgrad.notation.parsing.lexer import LONGEST_TEXT

CALLED = {
    name: row for row in FUNCTIONS.values() if CONDITION not in row.arguments for name in (row.name, *row.latex_names)
}
"""What a function is called in LaTeX -> its row."""
TIMES = {"cdot", "times", "ast", "odot", "circ"}
GREEK = {
    *("delta", "alpha", "beta", "gamma", "eta", "mu", "theta", "lambda", "epsilon", "varepsilon", "rho", "phi", "nu"),
    *("omega", "psi", "xi", "zeta", "kappa", "tau"),
}
BIG_GREEK = {"Delta", "nabla"}
COMPARISONS = {">": ">", "<": "<", "\\ge": ">=", "\\geq": ">=", "\\le": "<=", "\\leq": "<=", "=": "=="}
ERRORS = {"E", "L", "J", "C", "\\ell", "l"}
"""What an error is called, whose derivative a gradient is."""
BY = "_by_"
"""In the name of a local derivative: x_by_w is the derivative of x with respect to w."""
STOPS = {"+", "-", "=", ")", "]", "}", ",", "<", ">", "\\ge", "\\geq", "\\le", "\\leq", ROW, f"{ROW}if"}


@dataclass(frozen=True)
class Bound:
    """What was said of the places that a sum runs over: the index, its first and last value as they were written."""

    index: str
    first: str
    last: str

    def __str__(self) -> str:
        return f"{self.index} = {self.first}..{self.last}"


@dataclass(frozen=True)
class Latex:
    """A formula in our notation.

    Attributes:
        claims: for each `=` an equation, with the lines before it, which it may read.
        bounds: of all its sums.
        indices: on the left of the last line, as they were written, some perhaps more than once.
    """

    claims: tuple[str, ...]
    bounds: tuple[Bound, ...] = ()
    indices: tuple[str, ...] = ()


def looks_like_latex(text: str) -> bool:
    """Whether the text is LaTeX and not our notation.

    >>> looks_like_latex(r"\\sum_{i} x_i"), looks_like_latex("x[i] = o[i]")
    (True, False)
    """
    return "\\" in text or (bool(re.search(r"_\{|_[A-Za-z0-9](?![A-Za-z0-9_\[])", text)) and "[" not in text)


def read_latex(text: str, defined: Collection[str] = ()) -> Latex:
    """A formula in our notation. defined: tensors of the equation that it is about, whose derivatives are local ones.

    Raises: EquationSyntaxError at a command that has no counterpart.
    """
    if len(text) > LONGEST_TEXT:
        raise EquationSyntaxError(f"The formula has {len(text):,} characters; the limit is {LONGEST_TEXT:,}.")
    before: list[str] = []
    claims: list[str] = []
    bounds: list[Bound] = []
    indices: tuple[str, ...] = ()
    try:
        for line in lines_of(text):
            reader = _Reader(line, defined)
            left, rights = reader.chain()
            name, bracket, inside = left.partition("[")
            indices = tuple(filter(None, inside.rstrip("]").split(",")))
            if any(re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", right) for right in rights):
                left = name + "_next" + left.removeprefix(name)  # an update, w = w - eta dw
            elif BY in name:  # dz[j]/dw[i,j] has j twice, and one number for each i and j
                left = name + bracket + ",".join(dict.fromkeys(indices)) + ("]" if bracket else "")
            claims = ["\n".join([*before, f"{left} = {right}"]) for right in rights]
            before.append(f"{left} = {rights[-1]}")
            bounds += reader.bounds
    except RecursionError:
        remedy = "Define a part of it as a tensor of its own."
        raise EquationSyntaxError("This formula is nested too deep.", text, Span(0, 1), remedy) from None
    if not claims:
        raise EquationSyntaxError("There is no equation here.", text, Span(0, 1), "Write it with =, as in y = a x.")
    return Latex(tuple(claims), tuple(bounds), indices)


def from_latex(text: str) -> str:
    """The equations of a formula, one a line. Raises: EquationSyntaxError as `read_latex`."""
    return read_latex(text).claims[-1]


class _Reader:
    def __init__(self, line: Line, defined: Collection[str]):
        self.text, self.tokens = line.text, line.tokens
        self.defined = defined
        self.place = 0
        self.bounds: list[Bound] = []

    def chain(self) -> tuple[str, list[str]]:
        """What is on the left, and each thing that is said to be equal to it."""
        left = self.left()
        self.take("=")
        rights = [self.sum()]
        while self.peek() == "=":
            self.place += 1
            rights.append(self.sum())
        if self.peek() is not None:
            raise self.error(f"`{self.peek()}` is not expected here.")
        return left, rights

    def left(self) -> str:
        if self.peek() in ("\\Delta", "\\nabla"):
            self.place += 1
            if self.peek() == "_":
                self.place += 1
            name = self.group() if self.peek() == "{" else self.factor()
            return f"Delta_{name}"
        return self.product()

    # Tokens

    def peek(self, ahead: int = 0) -> str | None:
        place = self.place + ahead
        return self.tokens[place][0] if place < len(self.tokens) else None

    def next(self) -> str:
        token = self.peek()
        if token is None:
            raise self.error("The equation ends too early.")
        self.place += 1
        return token

    def take(self, wanted: str) -> None:
        if self.peek() != wanted:
            raise self.error(f"`{wanted}` is expected here.")
        self.place += 1

    def error(self, message: str, remedy: str = "Or write it in index notation: w[m,n].") -> EquationSyntaxError:
        start = self.tokens[self.place][1] if self.place < len(self.tokens) else max(len(self.text) - 1, 0)
        return EquationSyntaxError(message, self.text, Span(start, start + 1), remedy)

    # Expressions

    def sum(self) -> str:
        parts = [self.next() + self.product()] if self.peek() == "-" else [self.product()]
        while self.peek() in ("+", "-"):
            parts.append(f" {self.next()} {self.product()}")
        return "".join(parts)

    def product(self) -> str:
        factors: list[str] = []
        signs: list[str] = []
        while (token := self.peek()) is not None and token not in STOPS:
            if (token.startswith("\\") and token[1:] in TIMES) or token in ("*", "/"):
                self._refuse_convolution(token, factors)
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

    def _refuse_convolution(self, token: str, factors: list[str]) -> None:
        """`*` between tensors without indices may be a convolution or a correlation, which differ."""
        after = self.peek(1) or ""
        named = after.lstrip("\\")
        is_tensor = (after.isalpha() or named in GREEK) and self.peek(2) not in ("_", "^", "(")
        if token in ("*", "\\ast") and factors and re.fullmatch(r"[A-Za-z]\w*", factors[-1]) and is_tensor:
            message = f"`{token}` between tensors without indices may be a convolution or a correlation."
            raise self.error(message, "Write the sum with its indices; in a convolution one of the two is turned.")

    def power(self) -> str:
        base = self.factor()
        if self.peek() == "^":
            self.place += 1
            base += f"^{self.exponent()}"
        return base

    def exponent(self) -> str:
        """A literal number, also one such as 3/2 or -1/2."""
        start = self.place
        inside = "".join(self._braces()) if self.peek() == "{" else self.next()
        match = re.fullmatch(r"\(?(-?)(?:\\frac)?\(?\{?(\d+\.?\d*)\}?(?:/?\{?(\d+)\}?)?\)?", inside)
        if match is None:
            self.place = start
            raise self.error(
                f"An exponent is a number; `{inside}` is not.", "Write exp(b * log(a)) for a to the power b."
            )
        value = float(match[2]) / float(match[3] or 1)
        return match[1] + (str(int(value)) if value == int(value) else repr(value))

    def factor(self) -> str:
        token = self.next()
        if token in ("(", "[", "{"):
            inside = self.sum()
            self.take({"(": ")", "[": "]", "{": "}"}[token])
            return f"({inside})"
        if token[0].isdigit():
            return token
        if token in ("\\frac", "\\dfrac", "\\tfrac"):
            return self.fraction()
        if token == "\\sum" or (token in ("\\max", "\\min") and self.peek() == "_"):
            return self.reduction(token[1:])
        if token == "\\cases":
            return self.cases()
        name = token.lstrip("\\")
        if name == "e" and self.peek() == "^":
            self.place += 1
            return f"exp({self.group()})"
        if name in CALLED and (token[0] == "\\" or len(name) > 1):
            return self.function(CALLED[name])
        if token.startswith("\\") and name not in GREEK:
            self.place -= 1
            raise self.error(f"`{token}` is not known here.")
        return self.tensor(name)

    def function(self, row: Function) -> str:
        primes = self._primes()
        exponent = ""
        if self.peek() == "^":
            self.place += 1
            exponent = f"^{self.exponent()}"
        arguments = self._arguments()
        if primes:
            return self._slope(row, primes, arguments) + exponent
        return f"{row.name}({arguments}){exponent}"

    def _slope(self, row: Function, primes: int, argument: str) -> str:
        """The first derivative of a function of one argument, as its row has it."""
        slope = row.slopes[0] if primes == 1 and len(row.slopes) == 1 else None
        if slope is None:
            raise self.error(f"The derivative of {row.name} is not known here.", "Write it out, or define it before.")
        parts = {VALUE: f"{row.name}({argument})", row.arguments[0]: f"({argument})"}
        return f"({re.sub('[a-z]+', lambda match: parts.get(match[0], match[0]), slope)})"

    def _arguments(self) -> str:
        if self.peek() not in ("(", "{"):
            return self.power()
        closing = {"(": ")", "{": "}"}[self.next()]
        found = [self.sum()]
        while self.peek() == ",":
            self.place += 1
            found.append(self.sum())
        self.take(closing)
        text = ", ".join(found)
        return text[1:-1] if re.fullmatch(r"\([^()]*\)", text) else text

    def cases(self) -> str:
        """`where(condition, value, otherwise)`."""
        self.take("{")
        rows: list[tuple[str, str | None]] = []
        while True:
            value = self.sum()
            self.take(f"{ROW}if") if self.peek() == f"{ROW}if" else None
            rows.append((value, self.condition()))
            if self.next() == "}":
                break
            if self.peek() == "}":
                self.place += 1
                break
        result = rows[-1][0]
        if len(rows) < 2:
            raise self.error("A choice needs two cases.", "Add the case `otherwise`.")
        for value, condition in reversed(rows[:-1]):
            if condition is None:
                raise self.error("Only the last case may be `otherwise`.")
            result = f"where({condition}, {value}, {result})"
        return result

    def condition(self) -> str | None:
        """A comparison, or None for `otherwise`."""
        words = []
        while (token := self.peek()) is not None and re.fullmatch(r"[a-z]", token) and self._is_word():
            words.append(self.next())
        word = "".join(words)
        if word in ("otherwise", "else") or self.peek() in (ROW, "}"):
            return None
        left = self.sum()
        token = self.next()
        if token not in COMPARISONS:
            self.place -= 1
            raise self.error("A condition is a comparison, such as z_i > 0.")
        return f"{left} {COMPARISONS[token]} {self.sum()}"

    def _is_word(self) -> bool:
        rest = "".join(token for token, _ in self.tokens[self.place : self.place + 9])
        return rest.startswith(("if", "otherwise", "else", "for")) or self.tokens[self.place - 1][0].isalpha()

    # Tensors

    def tensor(self, name: str) -> str:
        if name == "d" and (follow := self.peek()) is not None and follow.isalpha():
            name += self.next()
        name += "_prime" * self._primes()
        subscript = ""
        while (token := self.peek()) in ("_", "^"):
            if token == "_":
                if subscript:
                    break
                subscript = f"[{self.subscript()}]"
            elif (label := self.label()) is None:
                break
            else:
                name += label
        return f"{name}{subscript}"

    def label(self) -> str | None:
        """The part of a name that a superscript gives, such as a layer; None where it is an exponent.

        Of layer l nothing is added; w^{l-1} is w_before, w^{l+1} w_after, w^{(2)} w_2 and w^{l(t+1)} w_next.
        """
        start = self.place
        self.take("^")
        inside = "".join(self._braces()) if self.peek() == "{" else self.next()
        bracketed = inside[:1] in "([" and inside[-1:] in ")]"
        if "t" in inside and re.fullmatch(r"[lL]?[(\[]?t([+-]1)?[)\]]?", inside):
            return "_next" if "+" in inside else "_previous" if "-" in inside else ""
        plain = inside.strip("()[]")
        if re.fullmatch(r"[lL]([+-]1)?", plain):
            return {"": "", "-1": "_before", "+1": "_after"}[plain[1:]]
        if bracketed and re.fullmatch(r"\d+", plain):
            return f"_{plain}"
        self.place = start
        return None

    def _primes(self) -> int:
        count = 0
        while self.peek() == "'" or (self.peek() == "^" and self.peek(1) == "\\prime"):
            self.place += 1 if self.peek() == "'" else 2
            count += 1
        return count

    def subscript(self) -> str:
        self.take("_")
        if self.peek() == "{":
            return self.raw_group()
        name = self.next().lstrip("\\")
        return name + "_prime" * self._primes()

    def _braces(self) -> list[str]:
        """The tokens between braces, which may hold others."""
        self.take("{")
        found: list[str] = []
        depth = 1
        while True:
            token = self.next()
            depth += {"{": 1, "}": -1}.get(token, 0)
            if not depth:
                return found
            found.append(token)

    def raw_group(self) -> str:
        """What stands in braces, index arithmetic as it is; `ij` means `i,j`."""
        text = ""
        for token in self._braces():
            name = "*" if token.lstrip("\\") in TIMES else "_prime" if token in ("'", "\\prime") else token.lstrip("\\")
            if text and name[0].isalpha() and re.search(r"(?:^|[^A-Za-z_])[A-Za-z](?:_prime)*$", text):
                text += ","
            text += "" if name == "^" else name
        text = re.sub(r"\{?\}?", "", text)
        text = re.sub(r"(?<![A-Za-z_\d])(\d+)(?=[a-z])", r"\1*", text)
        return re.sub(r"([A-Za-z])_(\d)", r"\1\2", text)

    def group(self) -> str:
        if self.peek() == "{":
            self.place += 1
            inside = self.sum()
            self.take("}")
            return inside if re.fullmatch(r"[\w.]+(\[[^\]]*\])?", inside) else f"({inside})"
        return self.factor()

    # Derivatives and sums

    def fraction(self) -> str:
        start = self.place
        above = self.derivative()
        if above is not None:
            return above
        self.place = start
        return f"({self.group()} / {self.group()})"

    def derivative(self) -> str | None:
        r"""`dw[m,n]` for \frac{\partial E}{\partial w_{m,n}}, and `x_by_w[i,m]` where x is a tensor of the equation."""
        if self.peek() != "{" or self.peek(1) not in ("\\partial", "d"):
            return None
        self.place += 2
        above = self.tensor(self.next().lstrip("\\"))
        if self.peek() == "(":  # of an error that is a function
            while self.next() != ")":
                pass
        self.take("}")
        self.take("{")
        if self.peek() not in ("\\partial", "d"):
            return None
        self.place += 1
        below = self.tensor(self.next().lstrip("\\"))
        self.take("}")
        name, _, indices = above.partition("[")
        if name not in self.defined or (name in ERRORS and not indices):
            return f"d{below}"
        other, _, others = below.partition("[")
        together = ",".join(part.rstrip("]") for part in (indices, others) if part)
        return f"{name}{BY}{other}" + (f"[{together}]" if together else "")

    def reduction(self, kind: str) -> str:
        indices: list[str] = []
        while True:
            said = self.subscript() if self.peek() == "_" else ""
            last = ""
            if self.peek() == "^":
                self.place += 1
                last = _plain("".join(self._braces()) if self.peek() == "{" else self.next())
            for part in filter(None, said.split(",")):
                index, equals, first = part.partition("=")
                indices.append(index)
                if equals or last:
                    self.bounds.append(Bound(index, first or "0", last))
            if self.peek() != f"\\{kind}":
                break
            self.place += 1
        if not indices:
            raise self.error(f"Write what \\{kind} runs over, as in \\{kind}_{{i,j}}.")
        return f"{kind}[{','.join(indices)}]({self.product()})"


def _plain(text: str) -> str:
    r"""A bound without LaTeX: k_{1}-1 is k1-1, m' is m_prime."""
    return re.sub(r"[\\{}_\s]", "", text.replace("'", "prime")).replace("prime", "_prime")
