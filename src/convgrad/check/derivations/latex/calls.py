r"""Functions as they are called: `\tanh^2 x`, `\sigma'(z)`, `rot_{180}(w)`, `conv2(a, b, 'full')`, f(z)."""

from __future__ import annotations

from dataclasses import replace

from convgrad.check.derivations.latex.arrays import Places, Value, number
from convgrad.check.derivations.latex.choices import ALL_LETTERS, FIRST_LETTER
from convgrad.check.derivations.latex.convolutions import starred
from convgrad.check.derivations.latex.grammar import BRACKETS, Grammar
from convgrad.check.derivations.latex.setting import axis_of_units
from convgrad.check.derivations.latex.tokens import MARKS, Token
from convgrad.check.derivations.latex.vocabulary import CALLED, GENERIC, GREEK, VARIANTS
from convgrad.errors import Span
from convgrad.functions import FUNCTIONS, VALUE, Function
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    Negate,
    Number,
    Reduce,
    Term,
    rebuild,
)

TURNED = {"rot", "rot180", "flip", "rotate", "flipud"}
CONVOLVED = {
    **dict.fromkeys(("conv", "Conv", "conv2d"), ""),
    **dict.fromkeys(("conv2", "convolve2d", "convolve"), "convolution"),
    **dict.fromkeys(("xcorr2", "correlate2d", "correlate", "corr", "filter2"), "correlation"),
}
"""What an operation is called -> its kind, where the name says it."""


HYPERBOLIC = {"cosh": (1, False), "sinh": (-1, False), "sech": (1, True), "csch": (-1, True)}
"""The sign between e^z and e^{-z}, and whether it is 1 over that."""


class Calls(Grammar):
    """Calls of functions."""

    def _called(self, token: Token, start: int) -> Value | None:
        """A call of a function, or None where the token is no function here."""
        name = VARIANTS.get(token.name, token.name)
        if self.setting.rank(name) is not None or name in self.scope:
            return None
        if name == "sigma" and self.peek() == "^" and self._is_variance("sigma"):
            return None
        follows = self.peek() in ("(", "'", "^", "\\{") or (self.peek() == "[" and not self.plain)
        if name in ("ReLU", "relu", "Relu", "RELU"):
            return self._special(start, lambda t: Call("max", (t, Number(0.0))), "max(a, 0)")
        if name in ("sgn", "sign"):
            return self._special(start, _sign, "")
        if name in HYPERBOLIC:
            return self._hyperbolic(name, start)
        if name == "softmax":
            return self._softmax(start)
        if name in ("tr", "Tr", "trace") and self.peek() in BRACKETS:
            return self.trace(self._argument(), self.span_from(start))
        if name == "diag":
            return self.diagonal(self._argument(), self.span_from(start))
        if name in TURNED:
            return self._turned(start)
        if name in CONVOLVED:
            return self._convolved(start, name)
        if name in CALLED and (token.text[0] == "\\" or len(name) > 1) and (follows or name not in ("sigma", "stop")):
            return self.function(CALLED[name], start)
        if name in GENERIC and self._is_call():
            self.setting.functions.add(name)
            return self.function(FUNCTIONS[self.setting.generic], start)
        return None

    def _is_call(self) -> bool:
        ahead = 0
        while self.peek(ahead) == "'" or (self.peek(ahead) == "^" and self.peek(ahead + 1) in ("\\prime", "'")):
            ahead += 1 if self.peek(ahead) == "'" else 2
        if self.peek(ahead) == "^" and self.peek(ahead + 1) == "{" and self.peek(ahead + 2) in ("\\prime", "'"):
            return True
        return self.peek(ahead) == "(" and (ahead > 0 or not self._indices_follow(""))

    def _special(self, start: int, change, slope: str) -> Value:  # type: ignore[no-untyped-def]
        primes = self.primes()
        argument = self._argument()
        span = self.span_from(start)
        if primes == 1 and slope:
            return self.changed(
                argument, lambda t: Call("where", (Compare(">", t, Number(0.0)), Number(1.0), Number(0.0))), span
            )
        if primes:
            raise self.error("This derivative is not known here.", "Write it out.", start)
        return self.changed(argument, change, span)

    def _hyperbolic(self, name: str, start: int) -> Value:
        r"""`\cosh^2 z` by exponentials."""
        sign, below = HYPERBOLIC[name]
        exponent = None
        if self.peek() == "^":
            self.next()
            exponent = self.exponent()
            if exponent == -1:
                message = f"{name}^{{-1}} may be the inverse function or 1/{name}."
                raise self.error(message, "Write 1/... for it.", start)

        def change(term: Term) -> Term:
            one, two = Call("exp", (term,)), Call("exp", (Negate(term),))
            both = Add((one, two if sign > 0 else Negate(two)))
            return Divide(Number(2.0), both) if below else Divide(both, Number(2.0))

        result = self._special(start, change, "")
        return result if exponent is None else self.raised(result, exponent)

    def function(self, row: Function, start: int) -> Value:
        primes = self.primes()
        exponent: float | None = None
        if self.peek() == "^":
            self.next()
            exponent = self.exponent()
            if exponent == -1:
                raise self.error(
                    f"{row.name}^{{-1}} may be the inverse function or 1/{row.name}.", "Write 1/... for it.", start
                )
        primes += self.primes()
        arguments = self._arguments(row)
        span = self.span_from(start)
        if primes:
            result = self._slope(row, primes, arguments, start)
        elif len(arguments) == 1:
            result = self.changed(arguments[0], lambda t: Call(row.name, (t,), span=span), span)
        else:
            result = self._joined(row, arguments, span)
        return result if exponent is None else self.raised(result, exponent)

    def _joined(self, row: Function, arguments: list[Value], span: Span) -> Value:
        if len(arguments) != 2:
            terms = tuple(a.term for a in arguments if not a.rank)
            if len(terms) < len(arguments):
                raise self.misfit(f"{row.name} of arrays takes two.", span)
            return number(Call(row.name, terms, span=span), span)
        return self.elementwise(arguments[0], arguments[1], lambda a, b: Call(row.name, (a, b), span=span))

    def _slope(self, row: Function, primes: int, arguments: list[Value], start: int) -> Value:
        """The first derivative of a function of one argument, as its row has it."""
        slope = row.slopes[0] if primes == 1 and len(row.slopes) == 1 and len(arguments) == 1 else None
        if slope is None:
            raise self.error(
                f"The derivative of {row.name} is not known here.", "Write it out, or define it before.", start
            )
        pattern = parse(f"y = {slope}").result.term

        def change(argument: Term) -> Term:
            parts = {VALUE: Call(row.name, (argument,)), row.arguments[0]: argument}
            return rebuild(
                pattern, lambda t: parts.get(t.tensor, t) if isinstance(t, Access) else replace(t, span=None)
            )

        return self.changed(arguments[0], change, self.span_from(start))

    def _argument(self) -> Value:
        if self.peek() in BRACKETS:
            opened = self.next().text
            inside = self.sum()
            self.take(BRACKETS[opened])
            return inside
        return self._without_brackets()

    def _without_brackets(self) -> Value:
        r"""What a function is applied to: all letters that follow, as in `\sin 2 w x`, or only the first of them."""
        token = self.token
        first = self.power()
        if not self._letter_follows():
            return first
        if token is not None and token.text[0].isdigit():
            return self._with_letters(first)
        ways = [(lambda: self._with_letters(first), ALL_LETTERS), (lambda: first, FIRST_LETTER)]
        return self.setting.choices.pick(ways)()

    def _with_letters(self, first: Value) -> Value:
        result = first
        while self._letter_follows():
            result = self.product(result, self.power())
        return result

    def _letter_follows(self) -> bool:
        token = self.token
        if token is None or self.is_qualifier() or (token.name in GENERIC and self.peek(1) == "("):
            return False
        if token.name == "e" and self.peek(1) == "^":
            return False
        letter = len(token.name) == 1 and token.name.isalpha()
        return letter or token.text[0].isdigit() or token.name in GREEK or token.name in MARKS

    def _arguments(self, row: Function) -> list[Value]:
        if self.peek() not in BRACKETS:
            if len(row.arguments) > 1:
                raise self.error(
                    f"{row.name} takes {len(row.arguments)} numbers in brackets.", f"Write \\{row.name}(a, b)."
                )
            return [self._without_brackets()]
        opened = self.next().text
        found = [self.sum()]
        while self.peek() == ",":
            self.next()
            found.append(self.sum())
        self.take(BRACKETS[opened])
        return found

    def _softmax(self, start: int) -> Value:
        argument = self._argument()
        along = self._units(argument) if argument.rank == 2 else 0
        if argument.rank not in (1, 2) or along is None:
            what = "takes a vector without indices, or a matrix whose units are told by its weights, as in Z = W A + b."
            raise self.error(f"softmax {what}", "Write e^{z_j} / \\sum_k e^{z_k}.", start)
        letter = self.fresh(argument.like[along] if argument.like else None)

        def at(places: Places) -> Term:
            inside = (*places[:along], Position.name(letter), *places[along + 1 :])
            below = Reduce("sum", (letter,), Call("exp", (argument.at(inside),)))
            return Divide(Call("exp", (argument.at(places),)), below)

        return Value(argument.rank, at, self.span_from(start), "", argument.like)

    def _units(self, matrix: Value) -> int | None:
        """Its axis of units, as far as its weights tell it, or the keys that it is made of."""
        if matrix.tensor and not matrix.places:
            return self.setting.features.get(matrix.tensor)
        places = ("place0", "place1")
        return axis_of_units(Definition("", places, matrix.at(tuple(Position.name(one) for one in places))))

    def _turned(self, start: int) -> Value:
        """rot_{180}(w), rot180(w), \\text{flip}(w)."""
        if self.peek() in ("_", "^"):
            self.next()
            degrees = "".join(t.text for t in self.group())
            if not degrees.startswith("180"):
                raise self.error(f"A rotation by {degrees} is not known here.", "Write rot_{180}(w).", start)
        if self.peek() == "{":
            self.next()
            argument = self.sum()
            self.take("}")
            return self.turned(argument, self.span_from(start))
        if self.peek() != "(":
            return self.turned(self.power(), self.span_from(start))
        self.next()
        argument = self.sum()
        if self.peek() == ",":
            self.next()
            if self.next().text not in ("180", "2"):
                self.place -= 1
                raise self.error("Only a rotation by 180 degrees is known here.", "Write rot_{180}(w).")
        self.take(")")
        return self.turned(argument, self.span_from(start))

    def _convolved(self, start: int, name: str) -> Value:
        """conv2(a, b, 'full')."""
        self.take("(")
        one = self.sum()
        self.take(",")
        two = self.sum()
        mode = ""
        if self.peek() == ",":
            self.next()
            mode = "".join(t.name for t in self.tokens[self.place : self.closes(self._opened(start))])
            self.place = self.closes(self._opened(start))
            mode = self._mode(mode, start)
        elif name in ("conv2", "convolve2d", "correlate2d", "xcorr2"):
            mode = "full"
        self.take(")")
        return starred(self, one, two, CONVOLVED[name], mode, name)

    def mode_below(self) -> str:
        """What stands below or above a star: `*_{full}`; empty where nothing does."""
        if self.peek() not in ("_", "^"):
            return ""
        start = self.place
        self.next()
        return self._mode("".join(t.name for t in self.group()), start)

    def _mode(self, said: str, start: int) -> str:
        words = [w for w in ("valid", "full") if w in said or w.rstrip("d") in said]
        if words:
            return words[0]
        what = "'same' pads by a half of the kernel, which is not read here" if "same" in said else "No other is known"
        message = f"The mode of a convolution is 'valid' or 'full' here. {what}."
        raise self.error(message, "Write the sum with its indices, and what is read outside.", start)

    def _opened(self, start: int) -> int:
        return next(at for at in range(start, len(self.tokens)) if self.tokens[at].text == "(")


def _sign(term: Term) -> Term:
    negative = Call("where", (Compare("<", term, Number(0.0)), Number(-1.0), Number(0.0)))
    return Call("where", (Compare(">", term, Number(0.0)), Number(1.0), negative))
